// msle: (log(1 + y) - log(1 + t))^2, both at least -1 + 1e-7
// log(1 + x), x at least -1 + 1e-7: no f32 is that near, but its logarithm is.
fn floored_log1p(x: f32) -> f32 {
    return select(log1p(x), -16.11809565095832, 1.0 + x < 1e-7);
}

// log((1 + y) / (1 + t)); for near arguments from their difference, which is exact.
fn log_ratio(y: f32, t: f32) -> f32 {
    let ratio = (y - t) / (1.0 + t);
    let near = abs(ratio) < 0.5 && min(1.0 + y, 1.0 + t) >= 1e-7;
    return select(floored_log1p(y) - floored_log1p(t), log1p(ratio), near);
}

fn value(y: f32, t: f32) -> f32 {
    let d = log_ratio(y, t);
    return d * d;
}

fn gradient(y: f32, t: f32) -> f32 {
    return select(2.0 * log_ratio(y, t) / (1.0 + y), 0.0, 1.0 + y < 1e-7);
}
