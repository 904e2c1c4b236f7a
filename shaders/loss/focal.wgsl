// focal: (alpha t + (1 - alpha) (1 - t)) q^gamma bce_with_logits(x, t), q = t + (1 - 2 t) sigmoid(x)
struct Hyper {
    alpha: f32,
    gamma: f32,
}

fn alpha_weight(t: f32) -> f32 {
    let alpha = params.hyper.alpha;
    return select(alpha * t + (1.0 - alpha) * (1.0 - t), 1.0, alpha < 0.0);
}

// The cross-entropy with the target.
fn entropy(x: f32, t: f32) -> f32 {
    return (1.0 - t) * softplus(x) + t * softplus(-x);
}

fn value(x: f32, t: f32) -> f32 {
    let wrong = t * sigmoid(-x) + (1.0 - t) * sigmoid(x);
    return alpha_weight(t) * c_pow(wrong, params.hyper.gamma) * entropy(x, t);
}

fn gradient(x: f32, t: f32) -> f32 {
    let yes = sigmoid(x);
    let no = sigmoid(-x);
    let wrong = t * no + (1.0 - t) * yes;
    let ratio = select(0.0, (1.0 - t - t) * yes * no / wrong, wrong != 0.0);
    let steepness = (1.0 - t) * yes - t * no + params.hyper.gamma * ratio * entropy(x, t);
    return alpha_weight(t) * c_pow(wrong, params.hyper.gamma) * steepness;
}
