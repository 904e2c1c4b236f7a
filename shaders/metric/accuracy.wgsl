// 1 for each row whose target class is among the k largest scores, of equal ones the first. A group of lanes shares a row:
// one lane if it is short.
struct Params {
    rows: u32,
    cols: u32,
    k: u32,
    // A power of two up to 256.
    lanes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> prediction: array<f32>;
@group(0) @binding(4) var<storage, read_write> terms: array<f32>;

fn at(row: u32, col: u32) -> u32 {
    return row * params.cols + col;
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let own = flat_workgroup(group, groups) * (256u / params.lanes) + lane / params.lanes;
    // Lanes beyond the last row still meet the others.
    let row = min(own, params.rows - 1u);
    let first = lane % params.lanes;
    let right = right_class(row, first, lane);
    let score = prediction[at(row, min(right, params.cols - 1u))];
    var larger = 0u;
    for (var col = first; col < params.cols; col += params.lanes) {
        let other = prediction[at(row, col)];
        larger += select(0u, 1u, other > score || (other == score && col < right));
    }
    let rank = sum_group(f32(larger), lane);
    if own < params.rows && first == 0u {
        // NaN is never among the largest.
        let valid = right < params.cols && !is_nan(score);
        let is_active = row < steps.entries[now()].rows;
        terms[row] = select(0.0, 1.0, is_active && valid && rank < f32(params.k));
    }
}
