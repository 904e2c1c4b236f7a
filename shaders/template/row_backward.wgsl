// One workgroup per row.
struct Params {
    rows: u32,
    cols: u32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> saved: array<f32>;
@group(0) @binding(2) var<storage, read> grad_out: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad_in: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_workgroup(group, groups);
    if row >= params.rows {
        return;
    }
    let base = row * params.cols;
    var total = 0.0;
    for (var col = lane; col < params.cols; col += 64u) {
        total += weight(saved[base + col], grad_out[base + col]);
    }
    total = sum_lanes(total, lane, 64u);
    for (var col = lane; col < params.cols; col += 64u) {
        grad_in[base + col] = backward(saved[base + col], grad_out[base + col], total);
    }
}
