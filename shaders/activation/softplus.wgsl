struct Hyper {
    beta: f32,
}

fn forward(x: f32) -> f32 {
    return softplus(params.hyper.beta * x) / params.hyper.beta;
}

fn derivative(x: f32) -> f32 {
    return sigmoid(params.hyper.beta * x);
}
