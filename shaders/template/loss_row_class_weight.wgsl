@group(0) @binding(7) var<storage, read> class_weight: array<f32>;

fn weight_of(class_index: u32) -> f32 {
    if class_index >= params.cols {
        return 1.0;
    }
    return class_weight[class_index];
}
