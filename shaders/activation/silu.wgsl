struct Hyper {
    beta: f32,
}

fn forward(x: f32) -> f32 {
    return x * sigmoid(params.hyper.beta * x);
}

fn derivative(x: f32) -> f32 {
    let z = params.hyper.beta * x;
    return sigmoid(z) * (1.0 + z * sigmoid(-z));
}
