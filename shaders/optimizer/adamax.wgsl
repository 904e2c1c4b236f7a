// adamax: m = lerp(g, m, beta1); u = max(beta2 u, |g| + eps); p -= lr / (1 - beta1^t) m / u
struct Scalars {
    step_size: f32,
    one_minus_beta1: f32,
    beta2: f32,
    eps: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let first = first_moment(state.x, grad, s.one_minus_beta1);
    let largest = max(s.beta2 * state.y, abs(grad) + s.eps);
    return Updated(s.step_size * first / largest, vec4(first, largest, 0.0, 0.0));
}
