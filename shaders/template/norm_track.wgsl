@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> mean: array<f32>;
@group(0) @binding(4) var<storage, read_write> variance: array<f32>;

fn upstream(i: u32) -> f32 {
    return 0.0;
}

fn run_row(whole: Row) {
    let row = taking(whole);
    let line = line(row);
    if row.first > 0u || row.cols == 0u {
        return;
    }
    let momentum = params.hyper.momentum;
    mean[row.start] += momentum * (line.mean - mean[row.start]);
    if row.cols > 1u {
        let of_sample = line.variance * (f32(row.cols) / f32(row.cols - 1u));
        variance[row.start] += momentum * (of_sample - variance[row.start]);
    }
}
