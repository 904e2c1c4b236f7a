// yogi: m = lerp(g, m, beta1); v -= (1 - beta2) sign(v - g^2) g^2; p -= lr m / (1 - beta1^t) / (sqrt(v / (1 -
// beta2^t)) + eps)
struct Scalars {
    step_size: f32,
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    root_correction: f32,
    eps: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let first = first_moment(state.x, grad, s.one_minus_beta1);
    let square = grad * grad;
    let second = state.y - s.one_minus_beta2 * sign_of(state.y - square) * square;
    let delta = s.step_size * first / (sqrt(second) / s.root_correction + s.eps);
    return Updated(delta, vec4(first, second, 0.0, 0.0));
}
