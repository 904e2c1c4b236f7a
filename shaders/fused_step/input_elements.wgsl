fn input_at(row: u32, col: u32) -> f32 {
    return select(0.0, data[row * INPUTS + min(col, INPUTS - 1u)], col < INPUTS);
}

fn input_four(row: u32, four: u32) -> vec4<f32> {
    let col = 4u * four;
    return vec4(input_at(row, col), input_at(row, col + 1u), input_at(row, col + 2u), input_at(row, col + 3u));
}
