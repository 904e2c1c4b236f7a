struct Hyper {
    // 1: both on the same side of the limit (a target's limit is 0.5), 0: within the limit of each other.
    side: f32,
    limit: f32,
}

fn value(y: f32, t: f32) -> f32 {
    let same = (y >= params.hyper.limit) == (t >= 0.5);
    let near = abs(y - t) < params.hyper.limit;
    return select(0.0, 1.0, select(near, same, params.hyper.side == 1.0));
}

fn gradient(y: f32, t: f32) -> f32 {
    return 0.0;
}
