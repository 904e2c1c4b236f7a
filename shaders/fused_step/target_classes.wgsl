fn target_weight(row: u32, col: u32) -> f32 {
    return select(0.0, 1.0, targets[sources[row]] == col);
}

fn is_class(row: u32, number: f32) -> bool {
    return number != -1.0 && i32(targets[sources[row]]) == i32(number);
}

// The class of a row, at most the number of classes.
fn right_of(row: u32) -> u32 {
    return min(targets[sources[row]], COLS);
}
