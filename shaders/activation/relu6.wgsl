// relu6: min(max(0, x), 6)
fn forward(x: f32) -> f32 {
    return keep_nan(x, clamp(x, 0.0, 6.0));
}

fn derivative(y: f32) -> f32 {
    return select(1.0, 0.0, y <= 0.0 || y >= 6.0);
}
