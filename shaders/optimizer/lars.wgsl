// lars: u = g + weight_decay p; b = momentum b + lr trust_coefficient |p| / (|u| + eps) u; p -= b
struct Scalars {
    rate: f32,
    decay: f32,
    trust_coefficient: f32,
    eps: f32,
    momentum: f32,
    use_step: f32,
    use_buffer: f32,
}

fn measure(param: f32, grad: f32, state: vec4<f32>, s: Scalars, decays: f32) -> vec2<f32> {
    let direction = grad + s.decay * decays * param;
    return vec2(param * param, direction * direction);
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let norms = sqrt(block.norms);
    let ratio = select(s.trust_coefficient * norms.x / (norms.y + s.eps), 1.0, norms.x == 0.0 || norms.y == 0.0);
    let step = s.rate * ratio * (grad + s.decay * block.decays * param);
    let buffer = step + s.momentum * state.x;
    return Updated(block.multiplier * (s.use_step * step + s.use_buffer * buffer), vec4(buffer, 0.0, 0.0, 0.0));
}
