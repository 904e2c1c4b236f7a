// nll: -w_c x_c per row of log-probabilities, c the target's class
struct Hyper {
    ignore_index: f32,
}

fn weighted_target(row: u32, col: u32) -> f32 {
    let is_target = own_class == col && !is_class(row, params.hyper.ignore_index);
    return select(0.0, weight_of(col), is_target);
}

fn accumulate(x: f32, row: u32, col: u32, top: f32) -> Sums {
    let weighted = weighted_target(row, col);
    if weighted == 0.0 {
        return Sums();
    }
    return Sums(-weighted * x, 0.0, 0.0, 0.0);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return sums.x;
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    return -weighted_target(row, col);
}
