// celu: max(0, x) + min(0, alpha * (exp(x / alpha) - 1))
struct Hyper {
    alpha: f32,
}

fn forward(x: f32) -> f32 {
    let alpha = params.hyper.alpha;
    return select(alpha * expm1(x / alpha), x, x > 0.0);
}

fn derivative(x: f32) -> f32 {
    return select(safe_exp(x / params.hyper.alpha), 1.0, x > 0.0);
}
