// Rows whose numbers lie side by side, their count a multiple of four: read and written by fours.
@group(0) @binding(2) var<storage, read> prediction: array<vec4<f32>>;

fn first_column(first: u32) -> u32 {
    return 4u * first;
}

fn columns(col: u32) -> vec4<u32> {
    return vec4(col) + vec4(0u, 1u, 2u, 3u);
}

fn prediction_at(row: u32, col: u32) -> f32 {
    let i = at(row, col);
    return prediction[i / 4u][i % 4u];
}

fn predictions(row: u32, cols: vec4<u32>, end: u32) -> vec4<f32> {
    return prediction[at(row, cols.x) / 4u];
}
