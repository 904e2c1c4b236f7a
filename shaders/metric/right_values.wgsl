// The first class of the largest weight.
fn right_class(row: u32, first: u32, lane: u32) -> u32 {
    var top = LOWEST;
    var place = params.cols - 1u;
    for (var col = first; col < params.cols; col += params.lanes) {
        let weight = target_weight(row, col);
        if weight > top {
            top = weight;
            place = col;
        }
    }
    let is_top = top == max_group(top, lane);
    // Places are whole numbers that a float holds exactly.
    return u32(-max_group(-f32(select(params.cols - 1u, place, is_top)), lane));
}
