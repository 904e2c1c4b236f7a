// hard_tanh: clamp(x, min, max)
struct Hyper {
    min: f32,
    max: f32,
}

fn forward(x: f32) -> f32 {
    return keep_nan(x, clamp(x, params.hyper.min, params.hyper.max));
}

fn derivative(x: f32) -> f32 {
    return select(1.0, 0.0, x <= params.hyper.min || x >= params.hyper.max);
}
