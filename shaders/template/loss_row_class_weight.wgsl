fn weight_of(class_index: u32) -> f32 {
    if class_index >= params.cols {
        return 1.0;
    }
    return class_weight_at(class_index);
}
