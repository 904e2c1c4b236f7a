const HAS_TOP = false;
const HAS_TOTAL = true;
const HAS_PLACE = false;

fn weigh(x: f32) -> f32 {
    return 0.0;
}

fn term(x: f32, top: f32) -> f32 {
    return abs(x);
}

fn finish(total: f32, top: f32) -> f32 {
    return total;
}

fn pull(x: f32, y: f32, grad_out: f32) -> f32 {
    return grad_out * sign_of(x);
}
