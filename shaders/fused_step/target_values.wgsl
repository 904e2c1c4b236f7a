fn target_weight(row: u32, col: u32) -> f32 {
    return targets[sources[row] * COLS + col];
}

fn is_class(row: u32, number: f32) -> bool {
    return false;
}

// The column of a row's largest target.
fn right_of(row: u32) -> u32 {
    var right = 0u;
    for (var col = 1u; col < turns(COLS); col++) {
        if target_weight(row, col) > target_weight(row, right) {
            right = col;
        }
    }
    return right;
}
