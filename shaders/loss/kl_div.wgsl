// kl_div: t (log t - x), 0 log 0 = 0; exp(t) (t - x) with log_target
struct Hyper {
    log_target: f32,
}

fn value(x: f32, t: f32) -> f32 {
    if params.hyper.log_target != 0.0 {
        return safe_exp(t) * (t - x);
    }
    return t * (select(0.0, safe_log(t), t > 0.0) - x);
}

fn gradient(x: f32, t: f32) -> f32 {
    return -select(t, safe_exp(t), params.hyper.log_target != 0.0);
}
