// mape: 100 |t - y| / max(|t|, 1e-7)
fn value(y: f32, t: f32) -> f32 {
    return 100.0 * (abs(t - y) / max(abs(t), 1e-7));
}

fn gradient(y: f32, t: f32) -> f32 {
    return 100.0 * sign_of(y - t) / max(abs(t), 1e-7);
}
