@group(0) @binding(6) var<storage, read_write> grad: array<f32>;

fn put_below(row: u32, col: u32, end: u32, gradient: f32) {
    if col < end {
        grad[at(row, col)] = gradient;
    }
}

// No loop: its turns would count.
fn put_gradient(row: u32, cols: vec4<u32>, end: u32, gradient: vec4<f32>) {
    put_below(row, cols.x, end, gradient.x);
    put_below(row, cols.y, end, gradient.y);
    put_below(row, cols.z, end, gradient.z);
    put_below(row, cols.w, end, gradient.w);
}
