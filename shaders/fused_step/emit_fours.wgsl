fn emit(row: u32, four: u32, value: vec4<f32>) {
    dx[row * INPUT_FOURS + four] = value;
}
