// lion: p -= lr (sign(lerp(g, m, beta1)) + weight_decay p); m = lerp(g, m, beta2)
struct Scalars {
    rate: f32,
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let direction = s.beta1 * state.x + s.one_minus_beta1 * grad;
    let first = s.beta2 * state.x + s.one_minus_beta2 * grad;
    return Updated(s.rate * sign_of(direction), vec4(first, 0.0, 0.0, 0.0));
}
