const HAS_TOP = true;
const HAS_TOTAL = true;
const HAS_PLACE = false;

// A power of two that brings the largest number near 1, so that neither its square nor those of much smaller numbers
// leave the range.
fn shrink(top: f32) -> f32 {
    return select(select(1.0, 0x1p+70, top < 0x1p-60), 0x1p-70, top > 0x1p+60);
}

fn weigh(x: f32) -> f32 {
    return abs(x);
}

fn term(x: f32, top: f32) -> f32 {
    let scaled = x * shrink(top);
    return scaled * scaled;
}

fn finish(total: f32, top: f32) -> f32 {
    if is_inf(top) || is_nan(top) {
        // Of nothing the largest is -infinity.
        return select(top, 0.0, is_negative(top));
    }
    return sqrt(total) / shrink(top);
}

fn pull(x: f32, y: f32, grad_out: f32) -> f32 {
    // By value: where a subnormal norm is taken for 0, so is it by the division.
    return select(grad_out * (x / y), 0.0, y == 0.0);
}
