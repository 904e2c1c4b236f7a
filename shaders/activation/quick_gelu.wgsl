// quick_gelu: x / (1 + exp(-1.702 x))
fn forward(x: f32) -> f32 {
    return keep_nan(x, max(x, -1e4) * sigmoid(1.702 * x));
}

fn derivative(x: f32) -> f32 {
    let z = 1.702 * x;
    return keep_nan(x, sigmoid(z) * (1.0 + clamp(z, -1e4, 1e4) * sigmoid(-z)));
}
