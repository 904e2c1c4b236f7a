// novograd: v = lerp(|g|^2, v, beta2), at first |g|^2; m = beta1 m + g / (sqrt(v + eps_root) + eps) + weight_decay p;
// p -= lr m
struct Scalars {
    rate: f32,
    decay: f32,
    beta1: f32,
    keep: f32,
    add: f32,
    eps: f32,
    eps_root: f32,
}

fn measure(param: f32, grad: f32, state: vec4<f32>, s: Scalars, decays: f32) -> vec2<f32> {
    return vec2(grad * grad, 0.0);
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let square = s.keep * state.y + s.add * block.norms.x;
    let direction = grad / (sqrt(square + s.eps_root) + s.eps) + s.decay * block.decays * param;
    let mean = s.beta1 * state.x + direction;
    return Updated(block.multiplier * s.rate * mean, vec4(mean, square, 0.0, 0.0));
}
