fn weight_number(i: u32) -> f32 {
    return 1.0;
}
