// Two independent standard normal numbers (Box and Muller 1958) from 24 bits each, as Key::normals of src/random.rs.
fn normals(key: vec2<u32>, step: u32, element: u32) -> vec2<f32> {
    let words = random_words(key, step, element);
    let radius = sqrt(-2.0 * safe_log(unit(words.x) + 1.0 / 16777216.0));
    // Quarter turns and what is left of one are exact.
    let turns = 4.0 * unit(words.y);
    let angle = Angle(u32(round(turns)), 1.5707964 * (turns - round(turns)));
    return radius * vec2(sin_of(angle, 1u), sin_of(angle, 0u));
}
