// Puts in the place of a matrix's gradient what is to be made orthogonal; vectors keep theirs.
struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> blocks: array<Block>;
@group(0) @binding(3) var<storage, read_write> grad: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> state: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(group, groups) * 64u + lane;
    if 4u * i >= params.len || !updates() {
        return;
    }
    let block = blocks[i / 16u];
    if block.cols == 0u || block.multiplier == 0.0 {
        return;
    }
    let next = direction(grad[i], state[i], steps.entries[due()].scalars);
    grad[i] = next.grad;
    state[i] = next.state;
}
