// l1: |y - t|
fn value(y: f32, t: f32) -> f32 {
    return abs(y - t);
}

fn gradient(y: f32, t: f32) -> f32 {
    return sign_of(y - t);
}
