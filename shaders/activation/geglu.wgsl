// geglu: a * gelu(b), a and b the halves of the axis
struct Hyper {
    dim: f32,
}

// The value and the derivative.
fn gate(x: f32) -> vec2<f32> {
    return vec2(gelu_value(x), gelu_slope(x));
}
