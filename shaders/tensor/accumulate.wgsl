// The mean gradient of a group of steps: grad becomes what was gathered so far, and so does sum.
struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read_write> grad: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> sum: array<vec4<f32>>;

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
    let entry = now();
    let begins = steps.entries[entry].begins == 1u;
    let total = select(sum[i], vec4(0.0), begins) + steps.entries[entry].gathered * grad[i];
    sum[i] = total;
    grad[i] = total;
}
