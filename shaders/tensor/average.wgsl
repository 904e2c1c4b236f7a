// Moves a mean of the parameters towards them by the step's weight, and back where the parameters follow it. What has no
// gradient is copied.
struct Params {
    len: u32,
    // 1: the parameters become the mean in steps whose weight is not 0.
    follows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> blocks: array<Block>;
@group(0) @binding(3) var<storage, read_write> param: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> mean: array<vec4<f32>>;

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
    let weight = steps.entries[due()].average_weight;
    if weight == 0.0 {
        return;
    }
    if !has_gradient(blocks[i / 16u]) {
        mean[i] = param[i];
        return;
    }
    let next = select(mean[i] + weight * (param[i] - mean[i]), param[i], weight == 1.0);
    mean[i] = next;
    if params.follows == 1u {
        param[i] = next;
    }
}
