// sm3: s = beta2 min(row, col) + w g^2, w = 1 - beta2 or, at 1, 1; each row and column takes the largest s in it; m =
// lerp(g / sqrt(s + eps), m, beta1), 0 where s is 0; p -= lr m
struct Scalars {
    rate: f32,
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    square_weight: f32,
    eps: f32,
}

fn term(grad: f32, row: f32, col: f32, s: Scalars) -> f32 {
    return s.square_weight * grad * grad + s.beta2 * min(row, col);
}

fn join(a: f32, b: f32) -> f32 {
    return larger(b, a);
}

fn settle(old: f32, total: f32, len: f32, s: Scalars) -> f32 {
    return total;
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block, lines: Lines) -> Updated {
    let sum = term(grad, lines.row, lines.col, s);
    let scaled = select(0.0, grad / sqrt(sum + s.eps), sum > 0.0);
    let mean = s.beta1 * state.x + s.one_minus_beta1 * scaled;
    return Updated(block.multiplier * s.rate * mean, vec4(mean, 0.0, 0.0, 0.0));
}
