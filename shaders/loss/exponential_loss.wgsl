// exponential_loss: exp(-t y), t = 1 or -1
fn value(y: f32, t: f32) -> f32 {
    return safe_exp(-t * y);
}

fn gradient(y: f32, t: f32) -> f32 {
    return -t * safe_exp(-t * y);
}
