// categorical_cross_entropy: -sum_j w_j t_j log(clamp(y_j, clip, 1 - clip)) per row of probabilities
struct Hyper {
    clip: f32,
}

fn accumulate(y: f32, row: u32, col: u32, top: f32) -> Sums {
    let clip = params.hyper.clip;
    let weight = weight_of(col) * target_weight(row, col);
    return Sums(select(-weight * safe_log(clamp(y, clip, 1.0 - clip)), 0.0, weight == 0.0), 0.0, 0.0, 0.0);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return sums.x;
}

fn slope(y: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let clip = params.hyper.clip;
    let weight = weight_of(col) * target_weight(row, col);
    return select(0.0, -weight / y, y >= clip && y <= 1.0 - clip);
}
