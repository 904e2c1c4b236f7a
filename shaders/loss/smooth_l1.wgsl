// smooth_l1: (y - t)^2 / (2 beta) if |y - t| < beta else |y - t| - beta / 2
struct Hyper {
    beta: f32,
}

fn value(y: f32, t: f32) -> f32 {
    let a = abs(y - t);
    let beta = params.hyper.beta;
    if a < beta {
        return 0.5 * a * a / beta;
    }
    return a - 0.5 * beta;
}

fn gradient(y: f32, t: f32) -> f32 {
    let d = y - t;
    if abs(d) < params.hyper.beta {
        return d / params.hyper.beta;
    }
    return sign_of(d);
}
