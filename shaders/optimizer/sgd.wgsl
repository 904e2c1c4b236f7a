// sgd: b = momentum b + (1 - dampening) g; p -= lr b, or lr (g + momentum b) with nesterov;
// rate_in_velocity: b = momentum b + (1 - dampening) lr g; p -= b, or lr g + momentum b
struct Scalars {
    rate: f32,
    momentum: f32,
    grad_weight: f32,
    use_grad: f32,
    use_buffer: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let buffer = s.momentum * state.x + s.grad_weight * grad;
    let delta = s.rate * (s.use_grad * grad + s.use_buffer * buffer);
    return Updated(delta, vec4(buffer, 0.0, 0.0, 0.0));
}
