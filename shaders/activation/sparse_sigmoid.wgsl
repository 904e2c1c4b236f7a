// sparse_sigmoid: 0 if x <= -1, (x + 1) / 2 inside, 1 if x >= 1
fn forward(x: f32) -> f32 {
    return keep_nan(x, clamp(0.5 * (x + 1.0), 0.0, 1.0));
}

fn derivative(x: f32) -> f32 {
    return select(0.5, 0.0, abs(x) >= 1.0);
}
