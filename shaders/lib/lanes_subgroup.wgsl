// The lanes of a row are a subgroup: they meet without barriers.
fn sum_group(value: f32, lane: u32) -> f32 {
    return subgroupAdd(value);
}

fn max_group(value: f32, lane: u32) -> f32 {
    return subgroupMax(value);
}
