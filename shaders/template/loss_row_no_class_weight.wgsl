fn weight_of(class_index: u32) -> f32 {
    return 1.0;
}
