// gaussian: exp(-x^2)
fn forward(x: f32) -> f32 {
    return exp_minus_square(x);
}

fn derivative(x: f32) -> f32 {
    return -2.0 * clamp(x, -1e2, 1e2) * exp_minus_square(x);
}

fn second(x: f32) -> f32 {
    let near = clamp(x, -1e2, 1e2);
    return (4.0 * near * near - 2.0) * exp_minus_square(x);
}
