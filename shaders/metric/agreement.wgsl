struct Hyper {
    // 0: within the limit of each other, 1: both on the same side of the limit (a target's limit is 0.5), 2: 1 less the
    // squared distance as a fraction of the limit, 3: below 0 or above the limit, 4: the distance.
    mode: f32,
    limit: f32,
}

fn value(y: f32, t: f32) -> f32 {
    if params.hyper.mode == 2.0 {
        return 1.0 - (y - t) * (y - t) / params.hyper.limit;
    }
    if params.hyper.mode == 3.0 {
        return select(0.0, 1.0, y < 0.0 || y > params.hyper.limit);
    }
    if params.hyper.mode == 4.0 {
        return abs(y - t);
    }
    let same = (y >= params.hyper.limit) == (t >= 0.5);
    let near = abs(y - t) < params.hyper.limit;
    return select(0.0, 1.0, select(near, same, params.hyper.mode == 1.0));
}

fn gradient(y: f32, t: f32) -> f32 {
    return 0.0;
}
