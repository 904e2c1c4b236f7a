// categorical_hinge: max(0, 1 + max_j (1 - t_j) y_j - sum_j t_j y_j) per row
const SLACK = 0.0;

// A score as far as it is not the target's.
fn candidate(x: f32, row: u32, col: u32) -> f32 {
    return (1.0 - target_weight(row, col)) * x;
}

// The target's score, and how many candidates are largest.
fn accumulate(x: f32, row: u32, col: u32, top: f32) -> Sums {
    let right = target_weight(row, col) * x;
    return Sums(right, select(0.0, 1.0, candidate(x, row, col) >= top), 0.0, 0.0);
}

fn raise(sums: Sums, old: f32, top: f32) -> Sums {
    return Sums(sums.x, select(0.0, sums.y, old == top), 0.0, 0.0);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return max(0.0, 1.0 + top - sums.x);
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let t = target_weight(row, col);
    let push = select(0.0, (1.0 - t) / sums.y, candidate(x, row, col) >= top);
    return select(0.0, push - t, 1.0 + top - sums.x > 0.0);
}
