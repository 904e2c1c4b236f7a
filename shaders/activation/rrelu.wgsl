// rrelu: x if x > 0 else a x, a drawn from [lower, upper) while training, else their mean
struct Hyper {
    lower: f32,
    span: f32,
}

fn derivative(x: f32, u: f32) -> f32 {
    return select(params.hyper.lower + params.hyper.span * u, 1.0, x > 0.0);
}

fn forward(x: f32, u: f32) -> f32 {
    return x * derivative(x, u);
}
