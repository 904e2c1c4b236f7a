@group(0) @binding(3) var<storage, read> class_weight: array<f32>;

fn weight_of(index: u32) -> f32 {
    return class_weight[index];
}
