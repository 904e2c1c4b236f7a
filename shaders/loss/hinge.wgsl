// hinge: max(0, 1 - t y), t = 1 or -1
fn value(y: f32, t: f32) -> f32 {
    return max(0.0, 1.0 - t * y);
}

fn gradient(y: f32, t: f32) -> f32 {
    return select(0.0, -t, t * y < 1.0);
}
