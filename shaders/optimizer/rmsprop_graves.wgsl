// rmsprop_graves: n = lerp(g^2, n, rho); a = lerp(g, a, rho); d = momentum d + lr g / sqrt(n - a^2 + eps); p -= d
struct Scalars {
    rate: f32,
    rho: f32,
    one_minus_rho: f32,
    momentum: f32,
    eps: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let square = second_moment(state.x, grad, s.rho, s.one_minus_rho);
    let mean = s.rho * state.y + s.one_minus_rho * grad;
    // Rounding can put the squared mean above the mean of squares.
    let variance = max(square - mean * mean, 0.0);
    let delta = s.momentum * state.z + s.rate * grad / sqrt(variance + s.eps);
    return Updated(delta, vec4(square, mean, delta, 0.0));
}
