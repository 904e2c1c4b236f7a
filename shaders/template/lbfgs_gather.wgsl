// The gradient as the formula sees it: with weight decay, and 0 for frozen tensors.
struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> blocks: array<Block>;
@group(0) @binding(3) var<storage, read> grad: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> param: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> g: array<vec4<f32>>;

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
    let block = blocks[i / 16u];
    let entry = due();
    let decay = steps.entries[entry].scalars.decay * block.decays;
    g[i] = select(vec4(0.0), steps.entries[entry].sign * grad[i] + decay * param[i], block.multiplier != 0.0);
}
