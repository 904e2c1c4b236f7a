// soft_margin: log(1 + exp(-t y)), t = 1 or -1
fn value(y: f32, t: f32) -> f32 {
    return softplus(-t * y);
}

fn gradient(y: f32, t: f32) -> f32 {
    return -t * sigmoid(-t * y);
}
