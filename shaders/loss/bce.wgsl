// bce: -(t * max(log y, -100) + (1 - t) * max(log(1 - y), -100)), y clipped to eps .. 1 - eps
struct Hyper {
    eps: f32,
}

fn clipped_log(l: f32) -> f32 {
    let eps = params.hyper.eps;
    return min(max(l, max(safe_log(eps), -100.0)), log1p(-eps));
}

fn value(y: f32, t: f32) -> f32 {
    return -(t * clipped_log(safe_log(y)) + (1.0 - t) * clipped_log(log1p(-y)));
}

fn gradient(y: f32, t: f32) -> f32 {
    let eps = params.hyper.eps;
    let clipped = eps > 0.0 && (y < eps || 1.0 - y < eps);
    return select((y - t) / max(y * (1.0 - y), 1e-12), 0.0, clipped);
}
