// asgd: eta = lr / (1 + lambd lr (t - 1))^alpha; p = p (1 - lambd eta) - eta g; ax is the mean of p after step t0
struct Scalars {
    rate: f32,
    lambda: f32,
    power: f32,
    before: f32,
    mu: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let rate = block.multiplier * s.rate;
    let eta = rate * powp(1.0 + s.lambda * rate * s.before, s.power);
    let delta = eta * (s.lambda * param + grad);
    let mean = select(state.x + s.mu * (param - delta - state.x), param - delta, s.mu == 1.0);
    return Updated(delta, vec4(mean, 0.0, 0.0, 0.0));
}
