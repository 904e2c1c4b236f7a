// relu_squared: max(0, x)^2
fn forward(x: f32) -> f32 {
    return select(x * x, 0.0, x <= 0.0);
}

fn derivative(x: f32) -> f32 {
    return select(2.0 * x, 0.0, x <= 0.0);
}
