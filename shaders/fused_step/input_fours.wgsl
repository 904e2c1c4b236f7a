fn input_four(row: u32, four: u32) -> vec4<f32> {
    return data[row * INPUT_FOURS + four];
}
