// tanh_exp: x * tanh(exp(x))
fn forward(x: f32) -> f32 {
    return keep_nan(x, max(x, -1e4) * safe_tanh(safe_exp(x)));
}

fn derivative(x: f32) -> f32 {
    // Where exp(x) passes 50, 1 - tanh(exp(x))^2 has long been 0.
    let e = min(safe_exp(x), 50.0);
    let s = safe_exp(-2.0 * e);
    let slope = 4.0 * s / ((1.0 + s) * (1.0 + s));
    return keep_nan(x, safe_tanh(e) + clamp(x, -1e4, 1e4) * e * slope);
}

// With e = exp(x), t = tanh(e) and r = 1 - t^2: t' = r e.
fn second(x: f32) -> f32 {
    let e = min(safe_exp(x), 50.0);
    let s = safe_exp(-2.0 * e);
    let rest = 4.0 * s / ((1.0 + s) * (1.0 + s));
    return keep_nan(x, rest * e * (2.0 + clamp(x, -1e4, 1e4) * (1.0 - 2.0 * safe_tanh(e) * e)));
}
