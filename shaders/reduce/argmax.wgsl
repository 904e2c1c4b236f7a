const HAS_TOP = true;
const HAS_TOTAL = false;
const HAS_PLACE = true;

fn weigh(x: f32) -> f32 {
    return x;
}

fn term(x: f32, top: f32) -> f32 {
    return 0.0;
}

fn finish(total: f32, top: f32) -> f32 {
    return 0.0;
}
