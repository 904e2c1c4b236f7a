fn factor(saved: f32) -> f32 {
    return second(saved);
}
