fn column_weight() -> f32 {
    return 1.0;
}
