// The lanes of a row, a power of two of a workgroup, meet at barriers.
fn sum_group(value: f32, lane: u32) -> f32 {
    return sum_lanes(value, lane, params.lanes);
}

fn max_group(value: f32, lane: u32) -> f32 {
    return max_lanes(value, lane, params.lanes);
}
