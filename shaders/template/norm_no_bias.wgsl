fn bias_of(column: u32) -> f32 {
    return 0.0;
}
