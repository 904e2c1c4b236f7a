const HAS_TOP = true;
const HAS_TOTAL = false;
const HAS_PLACE = false;

fn weigh(x: f32) -> f32 {
    return -x;
}

fn term(x: f32, top: f32) -> f32 {
    return 0.0;
}

fn finish(total: f32, top: f32) -> f32 {
    return -top;
}

fn pull(x: f32, y: f32, grad_out: f32) -> f32 {
    return keep_nan(y, select(0.0, grad_out, is_same(x, y)));
}
