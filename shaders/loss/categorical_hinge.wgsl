// A score as far as it is not the target's.
fn candidate(row: u32, col: u32) -> f32 {
    return (1.0 - target_weight(row, col)) * prediction[at(row, col)];
}

// The target's score, and how many candidates are largest.
fn accumulate(row: u32, col: u32, top: f32) -> Sums {
    let right = target_weight(row, col) * prediction[at(row, col)];
    return Sums(right, select(0.0, 1.0, candidate(row, col) >= top), 0.0, 0.0);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return max(0.0, 1.0 + top - sums.x);
}

fn slope(row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let t = target_weight(row, col);
    let push = select(0.0, (1.0 - t) / sums.y, candidate(row, col) >= top);
    return select(0.0, push - t, 1.0 + top - sums.x > 0.0);
}
