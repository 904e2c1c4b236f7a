struct Params {
    len: u32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;

// An invocation takes four groups of four elements: for a CPU adapter starting one costs as much as copying sixteen
// elements. What 32 neighbours read at once is contiguous, for a GPU, and so is all that they read, for a CPU's cache.
fn fours_of(invocation: u32) -> vec4<u32> {
    return vec4(invocation / 32u * 128u + invocation % 32u) + vec4(0u, 32u, 64u, 96u);
}

// `rest` is what lies behind the last element, which is not the tensor's.
fn put_four(i: u32, result: vec4<f32>, rest: vec4<f32>) {
    if 4u * i < params.len {
        y[i] = select(rest, result, below(i, params.len));
    }
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = fours_of(flat_index(group, groups, lane, 64u));
    if 4u * i.x >= params.len {
        return;
    }
    // Beyond the end the first four are read again. All are read before any is written, so that a GPU need not wait in
    // between.
    let source = select(vec4(i.x), i, 4u * i < vec4(params.len));
    let a = four_results(source.x);
    let b = four_results(source.y);
    let c = four_results(source.z);
    let d = four_results(source.w);
    let last = (params.len - 1u) / 4u;
    var rest = vec4(0.0);
    if any(i == vec4(last)) {
        rest = y[last];
    }
    put_four(i.x, a, rest);
    put_four(i.y, b, rest);
    put_four(i.z, c, rest);
    put_four(i.w, d, rest);
}
