// rmsprop: v = alpha v + (1 - alpha) g^2; p -= lr g / (sqrt(v + eps_root) + eps); centered subtracts the squared mean from v
struct Scalars {
    rate: f32,
    alpha: f32,
    one_minus_alpha: f32,
    eps: f32,
    momentum: f32,
    centered: f32,
    eps_root: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let square = second_moment(state.x, grad, s.alpha, s.one_minus_alpha);
    let mean = first_moment(state.z, grad, s.one_minus_alpha);
    // Rounding can put the squared mean above the mean of squares.
    let variance = max(square - s.centered * mean * mean, 0.0);
    let buffer = s.momentum * state.y + grad / (sqrt(variance + s.eps_root) + s.eps);
    return Updated(s.rate * buffer, vec4(square, buffer, mean, 0.0));
}
