// bce_with_logits: (1 - t) x + (1 + (pos_weight - 1) t) log(1 + exp(-x))
struct Hyper {
    pos_weight: f32,
}

// For each sign of x the terms have one sign: nothing cancels.
fn value(x: f32, t: f32) -> f32 {
    let weight = params.hyper.pos_weight * column_weight();
    let tail = log1p(safe_exp(-abs(x)));
    if x > 0.0 {
        return (1.0 - t) * x + (1.0 + (weight - 1.0) * t) * tail;
    }
    return (1.0 - t) * tail + weight * t * (tail - x);
}

fn gradient(x: f32, t: f32) -> f32 {
    return (1.0 - t) * sigmoid(x) - params.hyper.pos_weight * column_weight() * t * sigmoid(-x);
}
