@group(0) @binding(4) var<storage, read> weight: array<f32>;

fn weight_number(i: u32) -> f32 {
    return weight[i];
}
