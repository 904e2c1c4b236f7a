struct Params {
    len: u32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> saved: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> grad_out: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> grad_in: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(group, groups) * 64u + lane;
    if 4u * i >= params.len {
        return;
    }
    let s = saved[i];
    let result = grad_out[i] * vec4(factor(s.x), factor(s.y), factor(s.z), factor(s.w));
    if 4u * i + 4u <= params.len {
        grad_in[i] = result;
    } else {
        grad_in[i] = select(grad_in[i], result, below(i, params.len));
    }
}
