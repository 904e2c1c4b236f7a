// adabound: as adam, each step size clamped to final_lr (1 - 1 / (gamma t + 1)) .. final_lr (1 + 1 / (gamma t));
// with sqrt_decay then divided by sqrt(t)
struct Scalars {
    step_size: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    eps: f32,
    low: f32,
    high: f32,
    amsgrad: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let first = first_moment(state.x, grad, s.one_minus_beta1);
    let second = second_moment(state.y, grad, s.beta2, s.one_minus_beta2);
    let largest = max(state.z, second);
    let used = select(second, largest, s.amsgrad == 1.0);
    let delta = clamp(block.multiplier * s.step_size / (sqrt(used) + s.eps), s.low, s.high) * first;
    return Updated(delta, vec4(first, second, largest, 0.0));
}
