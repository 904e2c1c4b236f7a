// A term per row of scores and its gradient, for the rows that take part in the step. One workgroup per row.
struct Params {
    rows: u32,
    cols: u32,
    // 1: the gradient of the mean, 0: of the sum.
    mean: u32,
    // 1: write the gradient.
    writes: u32,
    @align(16) hyper: Hyper,
}

// The largest score, the sum of exponentials above it, and the sum of the target weights.
struct Row {
    top: f32,
    sum: f32,
    weight: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> prediction: array<f32>;
@group(0) @binding(4) var<storage, read_write> terms: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad: array<f32>;

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
    let rows = min(params.rows, steps.entries[steps.counter % steps.capacity].rows);
    let statistics = row_statistics(row, lane);
    let scale = select(1.0, 1.0 / f32(rows), params.mean == 1u);
    var sum = 0.0;
    for (var col = lane; col < params.cols; col += 64u) {
        let score = prediction[base + col];
        let t = target_weight(row, col);
        sum += term(score, statistics, t);
        if params.writes == 1u {
            grad[base + col] = select(0.0, scale * slope(score, statistics, t), row < rows);
        }
    }
    sum = sum_lanes(sum, lane, 64u);
    if lane == 0u {
        terms[row] = select(0.0, sum, row < rows);
    }
}
