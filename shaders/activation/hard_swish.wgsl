// hard_swish: x * clamp(x + 3, 0, 6) / 6
fn forward(x: f32) -> f32 {
    let inside = select(x * (x + 3.0) / 6.0, x, x >= 3.0);
    return select(inside, 0.0, x <= -3.0);
}

fn derivative(x: f32) -> f32 {
    let inside = select(x / 3.0 + 0.5, 1.0, x >= 3.0);
    return keep_nan(x, select(inside, 0.0, x <= -3.0));
}
