struct Scalars {
    eta: f32,
    decay: f32,
    mu: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let delta = block.multiplier * (s.decay * param + s.eta * grad);
    let mean = select(state.x + s.mu * (param - delta - state.x), param - delta, s.mu == 1.0);
    return Updated(delta, vec4(mean, 0.0, 0.0, 0.0));
}
