const HAS_TOP = true;
const HAS_TOTAL = true;
const HAS_PLACE = false;

fn weigh(x: f32) -> f32 {
    return x;
}

fn term(x: f32, top: f32) -> f32 {
    return safe_exp(x - top);
}

fn finish(total: f32, top: f32) -> f32 {
    // Where the largest is infinite or NaN, so is the result; nothing sums to log(0).
    if is_inf(top) || is_nan(top) {
        return top;
    }
    return top + safe_log(total);
}

fn pull(x: f32, y: f32, grad_out: f32) -> f32 {
    // Infinity less itself.
    if is_inf(y) && is_same(x, y) {
        return not_a_number();
    }
    return grad_out * safe_exp(x - y);
}
