// The largest candidate of a row.
fn candidate_below(x: f32, end: u32, row: u32, col: u32) -> f32 {
    if col >= end {
        return LOWEST;
    }
    return candidate(x, row, col);
}

fn row_top(row: u32, first: u32, end: u32, lane: u32) -> f32 {
    var top = LOWEST;
    for (var col = first_column(first); col < end; col += 4u * params.lanes) {
        let cols = columns(col);
        let x = predictions(row, cols, end);
        let near = max(candidate(x.x, row, cols.x), candidate_below(x.y, end, row, cols.y));
        let far = max(candidate_below(x.z, end, row, cols.z), candidate_below(x.w, end, row, cols.w));
        top = max(top, max(near, far));
    }
    if params.lanes == 1u {
        return top;
    }
    return max_lanes(top, lane, params.lanes);
}
