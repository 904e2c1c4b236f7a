// sparse_adam: as adam, eps beside sqrt(v) alone, in rows whose gradient is not all 0 (in a vector, elements); the
// others, their m and v rest
struct Scalars {
    step_size: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    eps: f32,
    decay: f32,
}

fn term(grad: f32, row: f32, col: f32, s: Scalars) -> f32 {
    return select(1.0, 0.0, is_zero(grad));
}

fn join(a: f32, b: f32) -> f32 {
    return max(a, b);
}

fn settle(old: f32, total: f32, len: f32, s: Scalars) -> f32 {
    return total;
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block, lines: Lines) -> Updated {
    if lines.row == 0.0 {
        return Updated(0.0, state);
    }
    let first = first_moment(state.x, grad, s.one_minus_beta1);
    let second = second_moment(state.y, grad, s.beta2, s.one_minus_beta2);
    let delta = s.step_size * first / (sqrt(second) + s.eps) + s.decay * block.decays * param;
    return Updated(block.multiplier * delta, vec4(first, second, 0.0, 0.0));
}
