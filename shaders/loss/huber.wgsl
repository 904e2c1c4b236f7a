// huber: (y - t)^2 / 2 if |y - t| <= delta else delta (|y - t| - delta / 2)
struct Hyper {
    delta: f32,
}

fn value(y: f32, t: f32) -> f32 {
    let a = abs(y - t);
    let delta = params.hyper.delta;
    return select(delta * (a - 0.5 * delta), 0.5 * a * a, a <= delta);
}

fn gradient(y: f32, t: f32) -> f32 {
    return keep_nan(y - t, clamp(y - t, -params.hyper.delta, params.hyper.delta));
}
