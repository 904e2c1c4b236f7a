// lamb: u = adam's step + weight_decay p; p -= lr |p| / |u| u, norms over the tensor, 1 where one is 0
struct Scalars {
    rate: f32,
    one_minus_beta1: f32,
    correction1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    correction2: f32,
    eps: f32,
    eps_root: f32,
    decay: f32,
}

struct Advance {
    direction: f32,
    state: vec4<f32>,
}

fn advance(param: f32, grad: f32, state: vec4<f32>, s: Scalars, decays: f32) -> Advance {
    let first = first_moment(state.x, grad, s.one_minus_beta1);
    let second = second_moment(state.y, grad, s.beta2, s.one_minus_beta2);
    let adam = first / s.correction1 / (sqrt(second / s.correction2 + s.eps_root) + s.eps);
    return Advance(adam + s.decay * decays * param, vec4(first, second, 0.0, 0.0));
}

fn measure(param: f32, grad: f32, state: vec4<f32>, s: Scalars, decays: f32) -> vec2<f32> {
    let direction = advance(param, grad, state, s, decays).direction;
    return vec2(param * param, direction * direction);
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let next = advance(param, grad, state, s, block.decays);
    let ratio = select(sqrt(block.norms.x) / sqrt(block.norms.y), 1.0, block.norms.x == 0.0 || block.norms.y == 0.0);
    return Updated(block.multiplier * s.rate * ratio * next.direction, next.state);
}
