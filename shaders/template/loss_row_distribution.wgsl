// The target is a weight per class.
@group(0) @binding(3) var<storage, read> target_values: array<f32>;

fn target_weight(row: u32, col: u32) -> f32 {
    return target_values[row * params.cols + col];
}
