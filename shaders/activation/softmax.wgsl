struct Hyper {
    temperature: f32,
}

// The difference first: x / temperature may overflow, and its rounding would be magnified by exp.
fn exponent(x: f32, top: f32) -> f32 {
    return (x - top) / params.hyper.temperature;
}

fn forward(exponent: f32, sum: f32) -> f32 {
    return safe_exp(exponent) / sum;
}

fn weight(y: f32, g: f32) -> f32 {
    return y * g;
}

fn backward(y: f32, g: f32, total: f32) -> f32 {
    return y * (g - total) / params.hyper.temperature;
}
