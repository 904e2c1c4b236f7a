// dice: 1 - (2 sum(y t) + smoothing) / (sum(y) + sum(t) + smoothing) per sample
struct Hyper {
    smoothing: f32,
}

// What both have, what each has, and what only one of them has.
fn accumulate(y: f32, row: u32, col: u32, top: f32) -> Sums {
    let t = target_weight(row, col);
    return Sums(y * t, y + t, y * (1.0 - t) + t * (1.0 - y), 0.0);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return sums.z / (sums.y + params.hyper.smoothing);
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let all = sums.y + params.hyper.smoothing;
    return ((2.0 * sums.x + params.hyper.smoothing) / all - 2.0 * target_weight(row, col)) / all;
}
