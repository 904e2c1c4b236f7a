// The target is a number per element, such as a weight per class.
@group(0) @binding(3) var<storage, read> target_values: array<f32>;

fn target_weight(row: u32, col: u32) -> f32 {
    return target_values[at(row, col)];
}

fn is_class(row: u32, number: f32) -> bool {
    return false;
}

fn open_row(row: u32) {
}
