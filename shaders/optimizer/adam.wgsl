// adam: m = lerp(g, m, beta1); v = lerp(g^2, v, beta2);
// p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t) + eps_root) + eps); without bias_correction 1 for both 1 - beta^t
struct Scalars {
    step_size: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    root_correction: f32,
    eps: f32,
    amsgrad: f32,
    // Times the correction of v, which is taken out of the root.
    eps_root: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let first = first_moment(state.x, grad, s.one_minus_beta1);
    let second = second_moment(state.y, grad, s.beta2, s.one_minus_beta2);
    let largest = max(state.z, second);
    let used = select(second, largest, s.amsgrad == 1.0);
    let delta = s.step_size * first / (sqrt(used + s.eps_root) / s.root_correction + s.eps);
    return Updated(delta, vec4(first, second, largest, 0.0));
}
