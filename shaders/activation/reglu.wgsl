// reglu: a * max(0, b), a and b the halves of the axis
struct Hyper {
    dim: f32,
}

// The value and the derivative.
fn gate(x: f32) -> vec2<f32> {
    return vec2(select(x, 0.0, x <= 0.0), select(1.0, 0.0, x <= 0.0));
}
