// log_cosh: log(cosh(y - t))
// Below 1 from cosh a - 1 = expm1(-a)^2 / (2 exp(-a)).
fn value(y: f32, t: f32) -> f32 {
    let a = abs(y - t);
    let e = expm1(-a);
    let near = log1p(e * e / (2.0 * (1.0 + e)));
    return select(a - 0.6931471805599453 + log1p(safe_exp(-2.0 * a)), near, a < 1.0);
}

fn gradient(y: f32, t: f32) -> f32 {
    return safe_tanh(y - t);
}
