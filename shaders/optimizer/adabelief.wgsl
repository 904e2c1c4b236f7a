// adabelief: m = lerp(g, m, beta1); s = lerp((g - m)^2, s, beta2) + eps_root; p -= lr m / (1 - beta1^t) / (sqrt(s / (1
// - beta2^t)) + eps)
struct Scalars {
    step_size: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    root_correction: f32,
    eps: f32,
    eps_root: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let first = first_moment(state.x, grad, s.one_minus_beta1);
    let surprise = grad - first;
    let second = second_moment(state.y, surprise, s.beta2, s.one_minus_beta2) + s.eps_root;
    let delta = s.step_size * first / (sqrt(second) / s.root_correction + s.eps);
    return Updated(delta, vec4(first, second, 0.0, 0.0));
}
