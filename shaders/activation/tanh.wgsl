// tanh: (exp(x) - exp(-x)) / (exp(x) + exp(-x))
fn forward(x: f32) -> f32 {
    return safe_tanh(x);
}

// (1 - y)(1 + y) keeps its accuracy where y is close to 1; 1 - y^2 does not.
fn derivative(y: f32) -> f32 {
    return (1.0 - y) * (1.0 + y);
}

fn second(y: f32) -> f32 {
    return -2.0 * y * ((1.0 - y) * (1.0 + y));
}
