// The target is a list of classes along each row: what the pairs of its classes and the others come to.
@group(0) @binding(3) var<storage, read> pairs: array<vec2<f32>>;

// A NaN if the loss takes one at a column.
fn taken(x: f32, row: u32, col: u32) -> f32 {
    return x;
}

fn open_row(row: u32) {
}
