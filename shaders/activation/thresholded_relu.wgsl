// thresholded_relu: x if x > theta else 0
struct Hyper {
    theta: f32,
}

fn forward(x: f32) -> f32 {
    return select(x, 0.0, x <= params.hyper.theta);
}

fn derivative(x: f32) -> f32 {
    return select(1.0, 0.0, x <= params.hyper.theta);
}
