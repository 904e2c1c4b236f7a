// eve: as adam with lr / d; d = lerp(clamp(|f - f before| / (min(f, f before) - least_loss), 1/c, c), d, beta3), f the
// loss, d = 1 at first
struct Scalars {
    step_size: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    root_correction: f32,
    eps: f32,
    one_minus_beta3: f32,
    limit: f32,
    least_loss: f32,
    has_previous: f32,
    // How much the loss moves; completed by carry.
    pace: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let first = first_moment(state.x, grad, s.one_minus_beta1);
    let second = second_moment(state.y, grad, s.beta2, s.one_minus_beta2);
    let delta = s.step_size / s.pace * first / (sqrt(second) / s.root_correction + s.eps);
    return Updated(delta, vec4(first, second, 0.0, 0.0));
}
