// nll: -w_c x_c per row of log-probabilities, c the target's class
struct Hyper {
    ignore_index: f32,
}

fn share_of(row: u32, col: u32) -> f32 {
    let is_target = own_class == col && !is_class(row, params.hyper.ignore_index);
    return select(0.0, weight_of(col), is_target);
}

fn accumulate(x: f32, row: u32, col: u32, top: f32) -> Sums {
    let share = share_of(row, col);
    if share == 0.0 {
        return Sums();
    }
    return Sums(-share * x, 0.0, 0.0, 0.0);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return sums.x;
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    return -share_of(row, col);
}
