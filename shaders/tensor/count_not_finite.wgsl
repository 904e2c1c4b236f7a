// How many of each 1024 gradients are NaN or infinite.
struct Params {
    len: u32,
    // Where in partial the first count goes.
    offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = flat_workgroup(group, groups);
    let i = block * 256u + lane;
    var count = 0.0;
    if 4u * i < params.len {
        // By bits: a shader may take NaN and infinities for impossible.
        let bad = (grad[i] & vec4(0x7f800000u)) == vec4(0x7f800000u);
        count = f32(dot(vec4<u32>(bad), vec4(1u)));
    }
    let total = sum_lanes(count, lane, 256u);
    if lane == 0u && 1024u * block < params.len {
        partial[params.offset + block] = total;
    }
}
