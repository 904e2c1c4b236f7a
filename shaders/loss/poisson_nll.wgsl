// poisson_nll: exp(x) - t x, or x - t log(x + eps) without log_input; full adds t log t - t + log(2 pi t) / 2 where t
// > 1
struct Hyper {
    log_input: f32,
    full: f32,
    eps: f32,
}

fn value(x: f32, t: f32) -> f32 {
    var value = 0.0;
    if params.hyper.log_input != 0.0 {
        value = safe_exp(x) - t * x;
    } else {
        value = x - t * safe_log(x + params.hyper.eps);
    }
    if params.hyper.full != 0.0 && t > 1.0 {
        value += t * safe_log(t) - t + 0.5 * safe_log(6.283185307179586 * t);
    }
    return value;
}

fn gradient(x: f32, t: f32) -> f32 {
    if params.hyper.log_input != 0.0 {
        return safe_exp(x) - t;
    }
    return 1.0 - t / (x + params.hyper.eps);
}
