@group(0) @binding(4) var<storage, read> bias: array<f32>;

fn bias_of(column: u32) -> f32 {
    return bias[column];
}
