// softmin: exp(-x_i / temperature) / sum_j exp(-x_j / temperature) along dim
struct Hyper {
    temperature: f32,
    dim: f32,
}

const LEAST: f32 = LOWEST;

fn score(x: f32, i: u32) -> f32 {
    return -x;
}

// The difference first: x / temperature may overflow, and its rounding would be magnified by exp.
fn exponent(score: f32, top: f32) -> f32 {
    return (score - top) / params.hyper.temperature;
}

fn forward(exponent: f32, row: Exponentials) -> f32 {
    return safe_exp(exponent) / row.sum;
}

fn weight(y: f32, g: f32) -> f32 {
    return y * g;
}

fn backward(y: f32, g: f32, total: f32) -> f32 {
    return -y * (g - total) / params.hyper.temperature;
}
