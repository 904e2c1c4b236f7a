fn weight_of(column: u32) -> f32 {
    return 1.0;
}
