// schedule_free_adamw: as schedule_free_sgd with g / (sqrt(v / (1 - beta2^t)) + eps) for g, v = lerp(g^2, v, beta2)
struct Scalars {
    rate: f32,
    beta1: f32,
    decay: f32,
    power: f32,
    is_first: f32,
    // The newest point's fraction of the mean; completed by carry.
    fraction: f32,
    beta2: f32,
    one_minus_beta2: f32,
    root_correction: f32,
    eps: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let old = select(state.x, param, s.is_first == 1.0);
    let second = second_moment(state.y, grad, s.beta2, s.one_minus_beta2);
    let direction = grad / (sqrt(second) / s.root_correction + s.eps) + s.decay * block.decays * param;
    let next = old - block.multiplier * s.rate * direction;
    let mean = (param - (1.0 - s.beta1) * old) / s.beta1;
    let delta = param - next - s.beta1 * (1.0 - s.fraction) * (mean - next);
    return Updated(delta, vec4(next, second, 0.0, 0.0));
}
