// multi_margin: w_c / C sum_(j not c) max(0, margin - x_c + x_j)^p per row, c the target's class
struct Hyper {
    p: f32,
    margin: f32,
}

// How far a wrong class comes within the margin of the right one.
fn excess(x: f32, row: u32, col: u32) -> f32 {
    let right = own_class;
    if col == right || right >= params.cols {
        return 0.0;
    }
    return max(0.0, params.hyper.margin - prediction_at(row, right) + x);
}

fn steepness(excess: f32) -> f32 {
    return select(select(1.0, 2.0 * excess, params.hyper.p == 2.0), 0.0, excess <= 0.0);
}

fn accumulate(x: f32, row: u32, col: u32, top: f32) -> Sums {
    let e = excess(x, row, col);
    return Sums(select(e, e * e, params.hyper.p == 2.0), steepness(e), 0.0, 0.0);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return weight_of(own_class) * sums.x / f32(params.cols);
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let right = own_class;
    return weight_of(right) * select(steepness(excess(x, row, col)), -sums.y, col == right) / f32(params.cols);
}
