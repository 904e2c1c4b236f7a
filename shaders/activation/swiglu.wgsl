// swiglu: a * b / (1 + exp(-b)), a and b the halves of the axis
struct Hyper {
    dim: f32,
}

// The value and the derivative.
fn gate(x: f32) -> vec2<f32> {
    let s = sigmoid(x);
    return vec2(keep_nan(x, max(x, -1e4) * s), keep_nan(x, s * (1.0 + clamp(x, -1e4, 1e4) * sigmoid(-x))));
}
