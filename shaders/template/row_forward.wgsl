// One workgroup per row.
struct Params {
    rows: u32,
    cols: u32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

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
    var top = LOWEST;
    for (var col = lane; col < params.cols; col += 64u) {
        top = max(top, x[base + col]);
    }
    top = max_lanes(top, lane, 64u);
    var sum = 0.0;
    for (var col = lane; col < params.cols; col += 64u) {
        sum += safe_exp(exponent(x[base + col], top));
    }
    sum = sum_lanes(sum, lane, 64u);
    for (var col = lane; col < params.cols; col += 64u) {
        y[base + col] = forward(exponent(x[base + col], top), sum);
    }
}
