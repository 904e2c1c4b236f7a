// adagrad: s = s + g^2; p -= lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps)
struct Scalars {
    rate: f32,
    eps: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let sum = state.x + grad * grad;
    return Updated(s.rate * grad / (sqrt(sum) + s.eps), vec4(sum, 0.0, 0.0, 0.0));
}
