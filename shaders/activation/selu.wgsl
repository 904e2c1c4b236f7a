// selu: scale * (x if x > 0 else alpha * (exp(x) - 1))
struct Hyper {
    alpha: f32,
    scale: f32,
}

fn forward(x: f32) -> f32 {
    return params.hyper.scale * select(params.hyper.alpha * expm1(x), x, x > 0.0);
}

fn derivative(x: f32) -> f32 {
    return params.hyper.scale * select(params.hyper.alpha * safe_exp(x), 1.0, x > 0.0);
}
