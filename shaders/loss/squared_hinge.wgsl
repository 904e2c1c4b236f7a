// squared_hinge: max(0, 1 - t y)^2, t = 1 or -1
fn value(y: f32, t: f32) -> f32 {
    let excess = max(0.0, 1.0 - t * y);
    return excess * excess;
}

fn gradient(y: f32, t: f32) -> f32 {
    return -2.0 * t * max(0.0, 1.0 - t * y);
}
