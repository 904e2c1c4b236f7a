@group(0) @binding(3) var<storage, read> weight: array<f32>;

fn weight_of(column: u32) -> f32 {
    return weight[column];
}
