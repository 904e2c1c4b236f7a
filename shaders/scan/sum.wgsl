// cumsum: y_i = x_0 + ... + x_i, along the middle one of three axes. An invocation has a block of a row; the running sums
// of the blocks' sums say what is before it.
struct Params {
    // Blocks of all rows.
    items: u32,
    along: u32,
    inner: u32,
    // Blocks of a row, and the length of one.
    blocks: u32,
    size: u32,
    // 1 if the sums begin at the last element.
    reversed: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let item = flat_workgroup(group, groups) * 64u + lane;
    if item >= params.items {
        return;
    }
    let block = item / params.inner % params.blocks;
    let row = item / params.inner / params.blocks;
    let start = row * params.along * params.inner + item % params.inner;
    let first = block * params.size;
    let count = min(params.size, params.along - first);
    let is_reversed = params.reversed != 0u;
    var before = 0.0;
    if is_reversed && block + 1u < params.blocks {
        before = sums[item + params.inner];
    } else if !is_reversed && block > 0u {
        before = sums[item - params.inner];
    }
    var sum = 0.0;
    for (var step = 0u; step < count; step++) {
        let place = select(first + step, first + count - 1u - step, is_reversed);
        let at = start + place * params.inner;
        sum += x[at];
        y[at] = before + sum;
    }
}
