// sigmoid: 1 / (1 + exp(-x))
fn forward(x: f32) -> f32 {
    return sigmoid(x);
}

fn derivative(y: f32) -> f32 {
    return y * (1.0 - y);
}

fn second(y: f32) -> f32 {
    return y * (1.0 - y) * (1.0 - 2.0 * y);
}
