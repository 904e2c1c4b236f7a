// 1 if the right class of a row is among its k largest outputs.
fn is_in_top(row: u32, k: u32) -> f32 {
    let right = right_of(row);
    let own = score(row, min(right, COLS - 1u));
    var rank = 0u;
    for (var col = 0u; col < turns(COLS); col++) {
        let other = score(row, col);
        rank += select(0u, 1u, other > own || (other == own && col < right));
    }
    return select(0.0, 1.0, right < COLS && !is_nan(own) && rank < k);
}
