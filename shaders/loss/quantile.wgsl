// quantile: tau (t - y) if t > y else (1 - tau) (y - t)
struct Hyper {
    tau: f32,
}

fn value(y: f32, t: f32) -> f32 {
    let d = t - y;
    return select((params.hyper.tau - 1.0) * d, params.hyper.tau * d, d > 0.0);
}

fn gradient(y: f32, t: f32) -> f32 {
    let d = t - y;
    return select(select(1.0 - params.hyper.tau, -params.hyper.tau, d > 0.0), 0.0, is_zero(d));
}
