// gaussian_nll: (log v + (x - t)^2 / v) / 2, v = max(variance, eps); full adds log(2 pi) / 2
struct Hyper {
    full: f32,
    eps: f32,
}

fn value(x: f32, variance: f32, t: f32) -> f32 {
    let v = max(variance, params.hyper.eps);
    return 0.5 * (safe_log(v) + (x - t) * (x - t) / v) + select(0.0, 0.9189385332046727, params.hyper.full != 0.0);
}

fn gradient(x: f32, variance: f32, t: f32) -> vec2<f32> {
    let v = max(variance, params.hyper.eps);
    return vec2((x - t) / v, 0.5 * (1.0 - (x - t) * (x - t) / v) / v);
}
