// The target is a number per element, such as a weight per class.
@group(0) @binding(3) var<storage, read> target_values: array<f32>;

fn target_weight(row: u32, col: u32) -> f32 {
    return target_values[at(row, col)];
}

// A NaN if the loss takes one at a column.
fn taken(x: f32, row: u32, col: u32) -> f32 {
    return keep_nan(x, target_weight(row, col));
}

fn is_class(row: u32, number: f32) -> bool {
    return false;
}

fn open_row(row: u32) {
}
