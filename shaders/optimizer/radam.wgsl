// radam: as adam, its step rectified by the variance of v, and without v while that is not tractable
struct Scalars {
    plain_step: f32,
    rectified_step: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    eps: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let first = first_moment(state.x, grad, s.one_minus_beta1);
    let second = second_moment(state.y, grad, s.beta2, s.one_minus_beta2);
    let delta = s.plain_step * first + s.rectified_step * first / (sqrt(second) + s.eps);
    return Updated(delta, vec4(first, second, 0.0, 0.0));
}
