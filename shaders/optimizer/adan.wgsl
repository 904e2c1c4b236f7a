// adan: d = g - g before; m = lerp(g, m, beta1); v = lerp(d, v, beta2); n = lerp((g + w d)^2, n, beta3); p -= lr (m' +
// w v') / (sqrt(n' + eps_root) + eps), each ' over 1 - beta^t
struct Scalars {
    mean_step: f32,
    change_step: f32,
    one_minus_beta1: f32,
    one_minus_beta2: f32,
    change_weight: f32,
    beta3: f32,
    one_minus_beta3: f32,
    correction: f32,
    eps: f32,
    eps_root: f32,
    has_previous: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let change = s.has_previous * (grad - state.w);
    let mean = first_moment(state.x, grad, s.one_minus_beta1);
    let mean_change = first_moment(state.y, change, s.one_minus_beta2);
    let ahead = grad + s.change_weight * change;
    let square = second_moment(state.z, ahead, s.beta3, s.one_minus_beta3);
    let step = s.mean_step * mean + s.change_step * mean_change;
    return Updated(step / (sqrt(square / s.correction + s.eps_root) + s.eps), vec4(mean, mean_change, square, grad));
}
