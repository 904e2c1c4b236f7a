// relative_l2: |y - t| / max(|t|, eps) per row
struct Hyper {
    eps: f32,
}

fn accumulate(y: f32, row: u32, col: u32, top: f32) -> Sums {
    let t = target_weight(row, col);
    return Sums((y - t) * (y - t), t * t, 0.0, 0.0);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return sqrt(sums.x) / max(sqrt(sums.y), params.hyper.eps);
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let size = sqrt(sums.x) * max(sqrt(sums.y), params.hyper.eps);
    return select((x - target_weight(row, col)) / size, 0.0, sums.x == 0.0);
}
