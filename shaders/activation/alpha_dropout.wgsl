// alpha_dropout: a z + b while training, z = x or, with probability rate, -1.758; a and b keep selu's mean 0 and
// variance 1
struct Hyper {
    rate: f32,
    scale: f32,
    shift: f32,
    dropped: f32,
}

fn forward(x: f32, u: f32) -> f32 {
    return select(params.hyper.dropped, params.hyper.scale * x + params.hyper.shift, u >= params.hyper.rate);
}

fn derivative(x: f32, u: f32) -> f32 {
    return select(0.0, params.hyper.scale, u >= params.hyper.rate);
}
