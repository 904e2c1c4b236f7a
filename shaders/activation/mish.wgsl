// mish: x * tanh(log(1 + exp(x)))
// t = tanh(log(1 + exp(x))) and 1 - t^2 as fractions of e = exp(-|x|): neither overflows nor cancels.
fn tanh_softplus(x: f32) -> vec2<f32> {
    let e = exp_minus(magnitude_within(x, EXP_END), 0.0);
    let square = e * e;
    let top = select(square + 2.0 * e, 1.0 + 2.0 * e, x > 0.0);
    let bottom = top + 2.0 * select(1.0, square, x > 0.0);
    let rest = 2.0 * (1.0 + e) / bottom;
    return vec2(top / bottom, rest * rest * select(1.0, square, x > 0.0));
}

fn forward(x: f32) -> f32 {
    return keep_nan(x, max(x, -1e4) * tanh_softplus(x).x);
}

fn derivative(x: f32) -> f32 {
    let t = tanh_softplus(x);
    return keep_nan(x, t.x + clamp(x, -1e4, 1e4) * sigmoid(x) * t.y);
}

// With s = sigmoid(x), t = tanh(softplus(x)) and r = 1 - t^2: t' = r s and s' = s (1 - s).
fn second(x: f32) -> f32 {
    let t = tanh_softplus(x);
    let s = sigmoid(x);
    return keep_nan(x, t.y * s * (2.0 + clamp(x, -1e4, 1e4) * (sigmoid(-x) - 2.0 * t.x * s)));
}
