// By a given mean and variance of each column.
struct Hyper {
    eps: f32,
}

struct Params {
    len: u32,
    cols: u32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> mean: array<f32>;
@group(0) @binding(5) var<storage, read> variance: array<f32>;
@group(0) @binding(6) var<storage, read_write> y: array<f32>;

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
    let normal = (x[i] - mean[col]) * (1.0 / sqrt(variance[col] + params.hyper.eps));
    y[i] = normal * weight_of(col) + bias_of(col);
}
