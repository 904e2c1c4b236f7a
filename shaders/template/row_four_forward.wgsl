fn scores(i: u32) -> vec4<f32> {
    let x = value(i);
    return vec4(score(x.x, 4u * i), score(x.y, 4u * i + 1u), score(x.z, 4u * i + 2u), score(x.w, 4u * i + 3u));
}

fn forward_at(score: f32, row: Exponentials) -> f32 {
    return forward(exponent(score, row.top), row);
}

fn run_row(row: Row) {
    let start = row.start / 4u;
    let end = start + row.cols / 4u;
    var top = LEAST;
    var sum = 0.0;
    var i = start + row.first;
    while i < end {
        let stop = min(i + run_length(), end);
        var run = 0.0;
        for (; i < stop; i += params.lanes) {
            let x = scores(i);
            let higher = raised(top, x);
            sum = raise(sum, top, higher);
            run = raise(run, top, higher);
            top = higher;
            run += (exponential(x.x, top) + exponential(x.y, top)) + (exponential(x.z, top) + exponential(x.w, top));
        }
        sum += run;
    }
    let own = join(Exponentials(top, sum), row);
    for (i = start + row.first; i < end; i += params.lanes) {
        let x = scores(i);
        y[i] = vec4(forward_at(x.x, own), forward_at(x.y, own), forward_at(x.z, own), forward_at(x.w, own));
    }
}
