// quiet_softmax: exp(x_i) / (1 + sum_j exp(x_j)) along dim
struct Hyper {
    dim: f32,
}

// The 1 of the denominator is a score of 0 beside those of the row.
const LEAST: f32 = 0.0;

fn score(x: f32, i: u32) -> f32 {
    return x;
}

fn exponent(score: f32, top: f32) -> f32 {
    return score - top;
}

fn forward(exponent: f32, row: Exponentials) -> f32 {
    return safe_exp(exponent) / (row.sum + safe_exp(-row.top));
}

fn weight(y: f32, g: f32) -> f32 {
    return y * g;
}

fn backward(y: f32, g: f32, total: f32) -> f32 {
    return y * (g - total);
}
