// The class weight of each target; 0 where there is none: rows that take no part, the class to be ignored, no class.
struct Params {
    rows: u32,
    cols: u32,
    // Rows per sample.
    inner: u32,
    ignored: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> target_class: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_index(group, groups, lane, 64u);
    if row >= params.rows {
        return;
    }
    let index = target_class[row];
    var weight = 0.0;
    let sample = row / params.inner;
    if sample < steps.entries[now()].rows && index < params.cols && index != params.ignored {
        weight = weight_of(index);
    }
    y[row] = weight;
}
