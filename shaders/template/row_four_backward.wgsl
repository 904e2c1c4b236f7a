@group(0) @binding(2) var<storage, read> saved: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> grad_out: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> grad_in: array<vec4<f32>>;

fn run_row(row: Row) {
    let start = row.start / 4u;
    let end = start + row.cols / 4u;
    var total = 0.0;
    var i = start + row.first;
    while i < end {
        let stop = min(i + run_length(), end);
        var run = 0.0;
        for (; i < stop; i += params.lanes) {
            let y = saved[i];
            let g = grad_out[i];
            run += (weight(y.x, g.x) + weight(y.y, g.y)) + (weight(y.z, g.z) + weight(y.w, g.w));
        }
        total += run;
    }
    total = sum_row(total, row);
    for (i = start + row.first; i < end; i += params.lanes) {
        let y = saved[i];
        let g = grad_out[i];
        grad_in[i] = vec4(
            backward(y.x, g.x, total),
            backward(y.y, g.y, total),
            backward(y.z, g.z, total),
            backward(y.w, g.w, total)
        );
    }
}
