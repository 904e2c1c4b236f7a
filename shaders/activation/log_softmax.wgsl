// log_softmax: x_i - log(sum_j exp(x_j)) along dim
struct Hyper {
    dim: f32,
}

const LEAST: f32 = LOWEST;

fn score(x: f32, i: u32) -> f32 {
    return x;
}

fn exponent(score: f32, top: f32) -> f32 {
    return score - top;
}

fn forward(exponent: f32, row: Exponentials) -> f32 {
    return exponent - safe_log(row.sum);
}

fn weight(y: f32, g: f32) -> f32 {
    return g;
}

fn backward(y: f32, g: f32, total: f32) -> f32 {
    return g - safe_exp(y) * total;
}
