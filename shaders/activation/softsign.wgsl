// softsign: x / (1 + |x|)
fn forward(x: f32) -> f32 {
    let a = abs(x);
    // 1 / a, for a / a is NaN at the infinities.
    return select(x / (1.0 + a), sign_of(x) / (1.0 + 1.0 / max(a, 1.0)), a > 1.0);
}

fn derivative(x: f32) -> f32 {
    let r = 1.0 / (1.0 + abs(x));
    return r * r;
}
