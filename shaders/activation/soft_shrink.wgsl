// soft_shrink: sign(x) * max(|x| - lambda, 0)
struct Hyper {
    lambda: f32,
}

fn forward(x: f32) -> f32 {
    let lambda = params.hyper.lambda;
    return select(x - sign_of(x) * lambda, 0.0, abs(x) <= lambda);
}

fn derivative(x: f32) -> f32 {
    return select(1.0, 0.0, abs(x) <= params.hyper.lambda);
}
