fn exponent(x: f32, top: f32) -> f32 {
    return x - top;
}

fn forward(exponent: f32, sum: f32) -> f32 {
    return exponent - safe_log(sum);
}

fn weight(y: f32, g: f32) -> f32 {
    return g;
}

fn backward(y: f32, g: f32, total: f32) -> f32 {
    return g - safe_exp(y) * total;
}
