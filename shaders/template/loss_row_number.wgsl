// The target is a number per row; there is a second input.
@group(0) @binding(3) var<storage, read> target_values: array<f32>;
@group(0) @binding(7) var<storage, read> second: array<f32>;

fn open_row(row: u32) {
}
