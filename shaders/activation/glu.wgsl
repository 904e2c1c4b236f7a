// glu: a / (1 + exp(-b)), a and b the halves of the axis
struct Hyper {
    dim: f32,
}

// The value and the derivative.
fn gate(x: f32) -> vec2<f32> {
    let s = sigmoid(x);
    return vec2(s, s * sigmoid(-x));
}
