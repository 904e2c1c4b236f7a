// Adds normal noise of the step's deviation to the gradients.
struct Params {
    len: u32,
    // The number of the segment's first element in the whole network.
    first: u32,
    key0: u32,
    key1: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> blocks: array<Block>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(group, groups) * 64u + lane;
    if i >= params.len || !updates() {
        return;
    }
    // Padding stays 0, and so does what has no gradient: norms are taken over it.
    let block = blocks[i / 64u];
    if place(block, i) >= block_len(block) {
        return;
    }
    let deviation = steps.entries[due()].noise;
    grad[i] += deviation * normals(vec2(params.key0, params.key1), steps.counter, params.first + i).x;
}
