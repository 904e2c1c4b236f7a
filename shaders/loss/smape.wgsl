// smape: 200 |y - t| / (|y| + |t|), 0 where both are 0
// Divided by the larger magnitude m first, so that no sum overflows.
fn value(y: f32, t: f32) -> f32 {
    let m = max(abs(y), abs(t));
    let ratio = min(abs(y), abs(t)) / m;
    let near = 200.0 * (abs(y - t) / m) / (1.0 + ratio);
    let term = select(200.0, near, is_negative(y) == is_negative(t));
    return keep_nan(y, keep_nan(t, select(term, 0.0, is_zero(y) && is_zero(t))));
}

fn gradient(y: f32, t: f32) -> f32 {
    let m = max(abs(y), abs(t));
    let sum = 1.0 + min(abs(y), abs(t)) / m;
    let slope = 200.0 * (1.0 + sign_of(y) * sign_of(t)) * sign_of(y - t) * (abs(t) / m) / (sum * sum) / m;
    return keep_nan(y, keep_nan(t, select(slope, 0.0, is_zero(y) && is_zero(t))));
}
