struct Params {
    len: u32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;

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
    let v = input(i);
    let result = vec4(forward(v.x), forward(v.y), forward(v.z), forward(v.w));
    if 4u * i + 4u <= params.len {
        y[i] = result;
    } else {
        y[i] = select(y[i], result, below(i, params.len));
    }
}
