// muon: matrices: m = lerp(g, m, momentum), u = m, or lerp(g, m, momentum) with nesterov; x = u / |u|, ns_steps times
// x = a x + (b x x^T + c (x x^T)^2) x; p -= lr weight_decay p + lr f x; vectors: adamw
struct Scalars {
    rate: f32,
    decay: f32,
    rule: f32,
    momentum: f32,
    nesterov: f32,
    step_size: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    root_correction: f32,
    eps: f32,
}

struct Direction {
    grad: vec4<f32>,
    state: vec4<f32>,
}

// What of a matrix is made orthogonal, and its new momentum.
fn direction(grad: vec4<f32>, state: vec4<f32>, s: Scalars) -> Direction {
    let buffer = state + (1.0 - s.momentum) * (grad - state);
    let ahead = grad + s.momentum * (buffer - grad);
    return Direction(select(buffer, ahead, s.nesterov == 1.0), buffer);
}

fn shape_factor(rows: f32, cols: f32, rule: f32) -> f32 {
    if rule == 0.0 {
        return sqrt(max(1.0, rows / cols));
    }
    return select(sqrt(rows / cols), 0.2 * sqrt(max(rows, cols)), rule == 1.0);
}

// By then a matrix's gradient is its orthogonal direction; a vector takes adamw.
fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let decay = s.rate * s.decay * block.decays * param;
    if block.cols > 0u {
        let step = s.rate * shape_factor(f32(block.rows), f32(block.cols), s.rule) * grad;
        return Updated(block.multiplier * (step + decay), state);
    }
    let first = first_moment(state.x, grad, s.one_minus_beta1);
    let second = second_moment(state.y, grad, s.beta2, s.one_minus_beta2);
    let step = s.step_size * first / (sqrt(second) / s.root_correction + s.eps);
    return Updated(block.multiplier * (step + decay), vec4(first, second, 0.0, 0.0));
}
