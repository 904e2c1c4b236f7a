// squared_error: (y - t)^2 / 2
fn value(y: f32, t: f32) -> f32 {
    return 0.5 * (y - t) * (y - t);
}

fn gradient(y: f32, t: f32) -> f32 {
    return y - t;
}
