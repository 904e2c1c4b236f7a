// relu: max(0, x)
fn forward(x: f32) -> f32 {
    return select(x, 0.0, x <= 0.0);
}

fn derivative(y: f32) -> f32 {
    return select(1.0, 0.0, y <= 0.0);
}
