// shrink: x + bias if x < -lambda, x - bias if x > lambda, else 0
struct Hyper {
    lambda: f32,
    bias: f32,
}

fn forward(x: f32) -> f32 {
    return select(x - sign_of(x) * params.hyper.bias, 0.0, abs(x) <= params.hyper.lambda);
}

fn derivative(x: f32) -> f32 {
    return select(1.0, 0.0, abs(x) <= params.hyper.lambda);
}
