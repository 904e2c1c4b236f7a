// log_sigmoid: -log(1 + exp(-x))
fn forward(x: f32) -> f32 {
    return log_sigmoid(x);
}

fn derivative(x: f32) -> f32 {
    return sigmoid(-x);
}
