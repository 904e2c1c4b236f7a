// mse: (y - t)^2
fn value(y: f32, t: f32) -> f32 {
    return (y - t) * (y - t);
}

fn gradient(y: f32, t: f32) -> f32 {
    return 2.0 * (y - t);
}
