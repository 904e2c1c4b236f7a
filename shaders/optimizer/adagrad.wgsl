// adagrad: s = s + g^2; p -= lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps), 0 / 0 = 0
struct Scalars {
    rate: f32,
    eps: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let sum = state.x + grad * grad;
    let divisor = sqrt(sum) + s.eps;
    return Updated(select(s.rate * grad / divisor, 0.0, divisor == 0.0), vec4(sum, 0.0, 0.0, 0.0));
}
