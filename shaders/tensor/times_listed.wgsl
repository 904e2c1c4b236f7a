// How often each class stands in its row's list, which a number that is no class ends.
struct Params {
    len: u32,
    cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> target_list: array<u32>;
@group(0) @binding(2) var<storage, read_write> times: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_index(group, groups, lane, 64u);
    if i >= params.len {
        return;
    }
    let col = i % params.cols;
    let end = i - col + params.cols;
    var found = 0u;
    for (var place = i - col; place < end && target_list[place] < params.cols; place++) {
        found += select(0u, 1u, target_list[place] == col);
    }
    times[i] = found;
}
