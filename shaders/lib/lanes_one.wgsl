// A row belongs to one lane: there is nobody to meet.
fn sum_group(value: f32, lane: u32) -> f32 {
    return value;
}

fn max_group(value: f32, lane: u32) -> f32 {
    return value;
}
