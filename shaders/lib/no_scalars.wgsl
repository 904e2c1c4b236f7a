struct Scalars {
    none: f32,
}
