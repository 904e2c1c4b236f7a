@group(0) @binding(6) var<storage, read_write> grad: array<vec4<f32>>;

fn put_gradient(row: u32, cols: vec4<u32>, end: u32, gradient: vec4<f32>) {
    grad[at(row, cols.x) / 4u] = gradient;
}
