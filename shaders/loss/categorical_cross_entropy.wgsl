struct Hyper {
    clip: f32,
}

fn term(y: f32, row: Row, t: f32) -> f32 {
    let clip = params.hyper.clip;
    return select(-t * safe_log(clamp(y, clip, 1.0 - clip)), 0.0, t == 0.0);
}

fn slope(y: f32, row: Row, t: f32) -> f32 {
    let clip = params.hyper.clip;
    return select(0.0, -t / y, y >= clip && y <= 1.0 - clip);
}
