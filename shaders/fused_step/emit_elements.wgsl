fn emit_at(row: u32, col: u32, value: f32) {
    if col < INPUTS {
        dx[row * INPUTS + col] = value;
    }
}

fn emit(row: u32, four: u32, value: vec4<f32>) {
    let col = 4u * four;
    emit_at(row, col, value.x);
    emit_at(row, col + 1u, value.y);
    emit_at(row, col + 2u, value.z);
    emit_at(row, col + 3u, value.w);
}
