// Rows of any length, number by number: the four columns of a turn lie as far apart as the invocations of a row are many.
@group(0) @binding(2) var<storage, read> prediction: array<f32>;

fn first_column(first: u32) -> u32 {
    return first;
}

fn columns(col: u32) -> vec4<u32> {
    return vec4(col) + vec4(0u, 1u, 2u, 3u) * params.lanes;
}

fn prediction_at(row: u32, col: u32) -> f32 {
    return prediction[at(row, col)];
}

// Beyond the end the last one again.
fn predictions(row: u32, cols: vec4<u32>, end: u32) -> vec4<f32> {
    let i = min(cols, vec4(end - 1u));
    return vec4(
        prediction[at(row, i.x)],
        prediction[at(row, i.y)],
        prediction[at(row, i.z)],
        prediction[at(row, i.w)]
    );
}
