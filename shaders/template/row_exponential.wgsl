// A row's largest score and its sum of exponentials.
struct Exponentials {
    top: f32,
    sum: f32,
}

fn exponential_at(row: Row, col: u32, top: f32) -> f32 {
    return select(0.0, safe_exp(exponent(score_at(row, col), top)), col < row.cols);
}

fn exponentials(row: Row) -> Exponentials {
    let top = row_top(row, LEAST);
    var sum = 0.0;
    var col = row.first;
    while col < row.cols {
        let end = run_end(row, col);
        var run = 0.0;
        for (; col < end; col += 4u * params.lanes) {
            run += (exponential_at(row, col, top) + exponential_at(row, col + params.lanes, top))
                + (exponential_at(row, col + 2u * params.lanes, top) + exponential_at(row, col + 3u * params.lanes, top));
        }
        sum += run;
    }
    return Exponentials(top, sum_row(sum, row));
}
