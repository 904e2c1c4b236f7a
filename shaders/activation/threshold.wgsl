// threshold: x if x > threshold else value
struct Hyper {
    threshold: f32,
    value: f32,
}

fn forward(x: f32) -> f32 {
    return select(x, params.hyper.value, x <= params.hyper.threshold);
}

fn derivative(x: f32) -> f32 {
    return select(1.0, 0.0, x <= params.hyper.threshold);
}
