// multilabel_soft_margin: 1 / C sum_j w_j (t_j log(1 + exp(-x_j)) + (1 - t_j) log(1 + exp(x_j))) per row
fn accumulate(x: f32, row: u32, col: u32, top: f32) -> Sums {
    let t = target_weight(row, col);
    return Sums(weight_of(col) * (t * softplus(-x) + (1.0 - t) * softplus(x)), 0.0, 0.0, 0.0);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return sums.x / f32(max(params.cols, 1u));
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let t = target_weight(row, col);
    return weight_of(col) * ((1.0 - t) * sigmoid(x) - t * sigmoid(-x)) / f32(params.cols);
}
