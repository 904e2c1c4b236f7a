fn put_slope(i: u32, slope: f32) {
}
