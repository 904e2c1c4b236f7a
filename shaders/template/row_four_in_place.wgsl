@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

fn value(i: u32) -> vec4<f32> {
    return y[i];
}
