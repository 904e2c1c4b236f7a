// Adds up the partial sums of each tensor's blocks and hands the sums to all of them; one workgroup per tensor.
struct Params {
    tensors: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// For each tensor its first block and how many it has.
@group(0) @binding(1) var<storage, read> tensors: array<vec2<u32>>;
@group(0) @binding(2) var<storage, read_write> blocks: array<Block>;

var<workgroup> norms: vec2<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tensor = flat_workgroup(group, groups);
    if tensor >= params.tensors {
        return;
    }
    let place = tensors[tensor];
    var sum = vec2(0.0);
    for (var block = lane; block < place.y; block += 256u) {
        sum += blocks[place.x + block].partial_sums;
    }
    let first = sum_lanes(sum.x, lane, 256u);
    let second = sum_lanes(sum.y, lane, 256u);
    if lane == 0u {
        norms = vec2(first, second);
    }
    let total = workgroupUniformLoad(&norms);
    for (var block = lane; block < place.y; block += 256u) {
        blocks[place.x + block].norms = total;
    }
}
