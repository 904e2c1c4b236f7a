// schedule_free_sgd: z -= lr (g + weight_decay p); x = lerp(z, x, 1 - c), c = w / sum w, w = (largest
// lr)^weight_lr_power; p = lerp(z, x, beta1)
struct Scalars {
    rate: f32,
    beta1: f32,
    decay: f32,
    power: f32,
    is_first: f32,
    // The newest point's fraction of the mean; completed by carry.
    fraction: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let old = select(state.x, param, s.is_first == 1.0);
    let next = old - block.multiplier * s.rate * (grad + s.decay * block.decays * param);
    let mean = (param - (1.0 - s.beta1) * old) / s.beta1;
    let delta = param - next - s.beta1 * (1.0 - s.fraction) * (mean - next);
    return Updated(delta, vec4(next, 0.0, 0.0, 0.0));
}
