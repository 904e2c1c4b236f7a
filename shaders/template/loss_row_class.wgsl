// The target is a class index per row.
@group(0) @binding(3) var<storage, read> target_class: array<u32>;

var<private> own_class: u32;

fn open_row(row: u32) {
    if row < params.rows {
        own_class = target_class[row];
    }
}

// A NaN if the loss takes one at a column.
fn taken(x: f32, row: u32, col: u32) -> f32 {
    return x;
}

fn target_weight(row: u32, col: u32) -> f32 {
    return select(0.0, 1.0, own_class == col);
}

// Whether the target is the class of this number; -1 is none.
fn is_class(row: u32, number: f32) -> bool {
    return number != -1.0 && i32(own_class) == i32(number);
}
