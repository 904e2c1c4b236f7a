// dropout: 0 with probability rate, else x / (1 - rate), while training; else x
struct Hyper {
    rate: f32,
    scale: f32,
}

fn derivative(x: f32, u: f32) -> f32 {
    return select(0.0, params.hyper.scale, u >= params.hyper.rate);
}

fn forward(x: f32, u: f32) -> f32 {
    return select(0.0, x * params.hyper.scale, u >= params.hyper.rate);
}
