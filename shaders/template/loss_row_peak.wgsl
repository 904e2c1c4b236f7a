// The top of a row: one of its candidates, which no other exceeds by more than the op's SLACK. It is found while sums below
// it are taken, so that a row is read once (Milakov and Gimelshein 2018, online softmax). What raises it lies beyond the
// slack: each move costs the sums a rounding, and slack makes those of earlier moves die out.
const START = LOWEST;

fn candidate_below(x: f32, end: u32, row: u32, col: u32) -> f32 {
    if col >= end {
        return LOWEST;
    }
    return candidate(x, row, col);
}

fn raised(top: f32, x: vec4<f32>, row: u32, cols: vec4<u32>, end: u32) -> f32 {
    let near = max(candidate(x.x, row, cols.x), candidate_below(x.y, end, row, cols.y));
    let far = max(candidate_below(x.z, end, row, cols.z), candidate_below(x.w, end, row, cols.w));
    let most = max(near, far);
    return select(top, most, most > top + SLACK);
}

fn row_top(own: f32, lane: u32) -> f32 {
    return max_group(own, lane);
}
