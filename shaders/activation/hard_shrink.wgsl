// hard_shrink: 0 if -lambda <= x <= lambda else x
struct Hyper {
    lambda: f32,
}

fn forward(x: f32) -> f32 {
    return select(x, 0.0, abs(x) <= params.hyper.lambda);
}

fn derivative(x: f32) -> f32 {
    return select(1.0, 0.0, abs(x) <= params.hyper.lambda);
}
