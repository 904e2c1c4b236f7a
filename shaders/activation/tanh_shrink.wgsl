// tanh_shrink: x - tanh(x)
// Near 0 the difference cancels; tanh x = x / (1 + w) with the continued fraction w gives it without subtracting.
fn forward(x: f32) -> f32 {
    let z = min(x * x, 1.0);
    let w = z / (3.0 + z / (5.0 + z / (7.0 + z / (9.0 + z / 11.0))));
    return select(x - safe_tanh(x), x * w / (1.0 + w), abs(x) < 1.0);
}

fn derivative(x: f32) -> f32 {
    let t = safe_tanh(x);
    return t * t;
}
