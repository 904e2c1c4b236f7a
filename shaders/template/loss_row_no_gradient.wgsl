fn put_gradient(row: u32, cols: vec4<u32>, end: u32, gradient: vec4<f32>) {
}
