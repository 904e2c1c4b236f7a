fn value(y: f32, t: f32) -> f32 {
    return -(t * max(safe_log(y), -100.0) + (1.0 - t) * max(log1p(-y), -100.0));
}

fn gradient(y: f32, t: f32) -> f32 {
    return (y - t) / max(y * (1.0 - y), 1e-12);
}
