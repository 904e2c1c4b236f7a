fn put_value(i: u32, value: f32) {
}
