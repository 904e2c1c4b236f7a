// adadelta: v = lerp(g^2, v, rho); d = sqrt(u + eps) / sqrt(v + eps) g; u = lerp(d^2, u, rho); p -= lr d
struct Scalars {
    rate: f32,
    rho: f32,
    one_minus_rho: f32,
    eps: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let square = second_moment(state.x, grad, s.rho, s.one_minus_rho);
    let delta = sqrt(state.y + s.eps) / sqrt(square + s.eps) * grad;
    let moved = second_moment(state.y, delta, s.rho, s.one_minus_rho);
    return Updated(s.rate * delta, vec4(square, moved, 0.0, 0.0));
}
