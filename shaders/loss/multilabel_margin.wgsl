// multilabel_margin: 1 / C sum_(c in t, j not in t) max(0, 1 - x_c + x_j) per row
// The pairs are counted before, for each class by itself: a row has as many as the square of its length.
fn accumulate(x: f32, row: u32, col: u32, top: f32) -> Sums {
    return Sums(pairs[at(row, col)].x, 0.0, 0.0, 0.0);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return sums.x / f32(max(params.cols, 1u));
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    return pairs[at(row, col)].y / f32(params.cols);
}
