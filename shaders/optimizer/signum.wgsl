// signum: m = lerp(g, m, beta); p -= lr sign(m)
struct Scalars {
    rate: f32,
    beta: f32,
    one_minus_beta: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars) -> Updated {
    let first = s.beta * state.x + s.one_minus_beta * grad;
    return Updated(s.rate * sign_of(first), vec4(first, 0.0, 0.0, 0.0));
}
