fn forward(x: f32) -> f32 {
    return log_sigmoid(x);
}

fn derivative(x: f32) -> f32 {
    return sigmoid(-x);
}
