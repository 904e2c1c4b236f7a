struct Hyper {
    omega: f32,
}

// What rounding takes from omega x: the product of the halves of both factors, less the rounded product.
fn lost(product: f32, x: f32) -> f32 {
    let omega = params.hyper.omega;
    let a = leading_bits(omega);
    let b = leading_bits(x);
    return ((a * b - product) + a * (x - b) + (omega - a) * b) + (omega - a) * (x - b);
}

fn forward(x: f32) -> f32 {
    let z = params.hyper.omega * x;
    let e = lost(z, x);
    return keep_nan(z, safe_sin(z) * (1.0 - 0.5 * e * e) + safe_cos(z) * e);
}

fn derivative(x: f32) -> f32 {
    let z = params.hyper.omega * x;
    let e = lost(z, x);
    return keep_nan(z, params.hyper.omega * (safe_cos(z) * (1.0 - 0.5 * e * e) - safe_sin(z) * e));
}

fn second(x: f32) -> f32 {
    let omega = params.hyper.omega;
    return -omega * omega * forward(x);
}
