fn factor(saved: f32) -> f32 {
    return derivative(saved);
}
