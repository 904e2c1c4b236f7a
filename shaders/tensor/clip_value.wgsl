struct Params {
    len: u32,
    limit: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> grad: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(group, groups) * 64u + lane;
    if 4u * i < params.len {
        let g = grad[i];
        let clipped = clamp(g, vec4(-params.limit), vec4(params.limit));
        grad[i] = keep_nans(g, clipped);
    }
}
