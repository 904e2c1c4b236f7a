// sign_sgd: p -= lr sign(g)
struct Scalars {
    rate: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    return Updated(s.rate * sign_of(grad), vec4(0.0));
}
