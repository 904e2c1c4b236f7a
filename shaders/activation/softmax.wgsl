struct Hyper {
    temperature: f32,
}

fn logit(x: f32) -> f32 {
    return x / params.hyper.temperature;
}

fn forward(z: f32, top: f32, sum: f32) -> f32 {
    return safe_exp(z - top) / sum;
}

fn weight(y: f32, g: f32) -> f32 {
    return y * g;
}

fn backward(y: f32, g: f32, total: f32) -> f32 {
    return y * (g - total) / params.hyper.temperature;
}
