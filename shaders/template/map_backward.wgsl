@group(0) @binding(1) var<storage, read> saved: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> grad_out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

fn four_results(i: u32) -> vec4<f32> {
    let s = saved[i];
    return grad_out[i] * vec4(factor(s.x), factor(s.y), factor(s.z), factor(s.w));
}
