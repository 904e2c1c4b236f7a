fn scores(i: u32) -> vec4<f32> {
    let x = value(i);
    return vec4(score(x.x, 4u * i), score(x.y, 4u * i + 1u), score(x.z, 4u * i + 2u), score(x.w, 4u * i + 3u));
}

fn exponents(i: u32, top: f32) -> vec4<f32> {
    let x = scores(i);
    return vec4(exponent(x.x, top), exponent(x.y, top), exponent(x.z, top), exponent(x.w, top));
}

fn run_row(row: Row) {
    let start = row.start / 4u;
    let end = start + row.cols / 4u;
    var tops = vec4(LEAST);
    for (var i = start + row.first; i < end; i += params.lanes) {
        tops = max(tops, scores(i));
    }
    let top = max_row(max(max(tops.x, tops.y), max(tops.z, tops.w)), row);
    var sum = 0.0;
    var i = start + row.first;
    while i < end {
        let stop = min(i + run_length(), end);
        var run = 0.0;
        for (; i < stop; i += params.lanes) {
            let e = exponents(i, top);
            run += (safe_exp(e.x) + safe_exp(e.y)) + (safe_exp(e.z) + safe_exp(e.w));
        }
        sum += run;
    }
    let own = Exponentials(top, sum_row(sum, row));
    for (i = start + row.first; i < end; i += params.lanes) {
        let e = exponents(i, top);
        y[i] = vec4(forward(e.x, own), forward(e.y, own), forward(e.z, own), forward(e.w, own));
    }
}
