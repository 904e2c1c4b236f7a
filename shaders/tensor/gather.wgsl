// Rows of a data set, bit by bit, so that it serves numbers and indices alike.
struct Params {
    rows: u32,
    cols: u32,
    key0: u32,
    key1: u32,
    shuffle: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(group, groups) * 64u + lane;
    if i >= params.rows * params.cols {
        return;
    }
    let row = i / params.cols;
    let entry = now();
    if row >= steps.entries[entry].rows {
        y[i] = 0u;
        return;
    }
    var source = steps.entries[entry].start + row;
    if params.shuffle == 1u {
        let key = vec2(params.key0, params.key1);
        source = permute(key, steps.entries[entry].epoch, source, steps.entries[entry].total);
    }
    y[i] = data[source * params.cols + i % params.cols];
}
