struct Hyper {
    none: f32,
}
