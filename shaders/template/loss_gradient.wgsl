@group(0) @binding(6) var<storage, read_write> grad: array<f32>;

fn put_slope(i: u32, slope: f32) {
    grad[i] = slope;
}
