fn forward(x: f32) -> f32 {
    return sigmoid(x);
}

fn derivative(y: f32) -> f32 {
    return y * (1.0 - y);
}
