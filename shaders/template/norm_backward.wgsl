@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> grad_out: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad_in: array<f32>;
// Each element's term of the weights' gradients.
@group(0) @binding(6) var<storage, read_write> terms: array<f32>;

fn upstream(i: u32) -> f32 {
    return grad_out[i] * weight_of(column(i));
}

fn run_row(whole: Row) {
    let row = taking(whole);
    let line = line(row);
    var shift = 0.0;
    if CENTRED {
        shift = average(row, line, UPSTREAM);
    }
    let slope = average(row, line, PRODUCT);
    for (var col = row.first; col < whole.cols; col += params.lanes) {
        let i = place(row, col);
        var gradient = 0.0;
        var term = 0.0;
        if col < row.cols {
            let normal = (x[i] - line.mean) * line.scale;
            gradient = line.scale * (upstream(i) - shift - normal * slope);
            term = grad_out[i] * normal;
        }
        grad_in[i] = gradient;
        terms[i] = term;
    }
}
