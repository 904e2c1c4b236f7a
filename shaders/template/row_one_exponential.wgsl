fn exponential_at(row: Row, col: u32, score: f32, top: f32) -> f32 {
    return select(0.0, exponential(score, top), col < row.cols);
}

fn exponentials(row: Row) -> Exponentials {
    var top = LEAST;
    var sum = 0.0;
    var col = row.first;
    while col < row.cols {
        let end = run_end(row, col);
        var run = 0.0;
        for (; col < end; col += 4u * params.lanes) {
            let cols = vec4(col) + vec4(0u, 1u, 2u, 3u) * params.lanes;
            let x = vec4(score_at(row, cols.x), score_at(row, cols.y), score_at(row, cols.z), score_at(row, cols.w));
            let higher = raised(top, x);
            sum = raise(sum, top, higher);
            run = raise(run, top, higher);
            top = higher;
            run += (exponential_at(row, cols.x, x.x, top) + exponential_at(row, cols.y, x.y, top))
                + (exponential_at(row, cols.z, x.z, top) + exponential_at(row, cols.w, x.w, top));
        }
        sum += run;
    }
    return join(Exponentials(top, sum), row);
}
