// Each block's part of the squared norm of its tensor's gradient.
struct Params {
    blocks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> blocks: array<Block>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = flat_workgroup(group, groups) * 64u + lane;
    if block >= params.blocks {
        return;
    }
    var sums = vec4(0.0);
    for (var part = 0u; part < 16u; part++) {
        let g = grad[block * 16u + part];
        sums += g * g;
    }
    blocks[block].partial_sums = vec2((sums.x + sums.y) + (sums.z + sums.w), 0.0);
}
