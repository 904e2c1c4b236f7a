// nadam: as adam with m replaced by its look-ahead, the momentum at step t beta1 (1 - 0.96^(t momentum_decay) / 2)
struct Scalars {
    grad_step: f32,
    mean_step: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    root_correction: f32,
    eps: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let first = first_moment(state.x, grad, s.one_minus_beta1);
    let second = second_moment(state.y, grad, s.beta2, s.one_minus_beta2);
    let delta = (s.grad_step * grad + s.mean_step * first) / (sqrt(second) / s.root_correction + s.eps);
    return Updated(delta, vec4(first, second, 0.0, 0.0));
}
