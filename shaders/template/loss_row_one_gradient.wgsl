@group(0) @binding(6) var<storage, read_write> grad: array<f32>;

fn put_gradient(row: u32, cols: vec4<u32>, end: u32, gradient: vec4<f32>) {
    for (var part = 0u; part < 4u; part++) {
        if cols[part] < end {
            grad[at(row, cols[part])] = gradient[part];
        }
    }
}
