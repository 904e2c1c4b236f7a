// leaky_relu: x if x > 0 else alpha * x
struct Hyper {
    alpha: f32,
}

fn forward(x: f32) -> f32 {
    return select(params.hyper.alpha * x, x, x > 0.0);
}

fn derivative(x: f32) -> f32 {
    return select(params.hyper.alpha, 1.0, x > 0.0);
}
