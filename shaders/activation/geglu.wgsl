struct Hyper {
    dim: f32,
}

// The value and the derivative.
fn gate(x: f32) -> vec2<f32> {
    let n = normal(x);
    return vec2(keep_nan(x, max(x, -1e4) * n.y), keep_nan(x, n.y + clamp(x, -1e4, 1e4) * n.x));
}
