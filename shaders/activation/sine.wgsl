// sine: sin(omega * x)
struct Hyper {
    omega: f32,
}

fn forward(x: f32) -> f32 {
    return sin_product(params.hyper.omega, x, 0u);
}

fn derivative(x: f32) -> f32 {
    return params.hyper.omega * sin_product(params.hyper.omega, x, 1u);
}

fn second(x: f32) -> f32 {
    let omega = params.hyper.omega;
    return -omega * omega * forward(x);
}
