@group(0) @binding(5) var<storage, read_write> values: array<f32>;

fn put_value(i: u32, value: f32) {
    values[i] = value;
}
