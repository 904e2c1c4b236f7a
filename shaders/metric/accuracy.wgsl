// 1 for each row whose first largest score is at the target's first largest weight. One workgroup per row.
struct Params {
    rows: u32,
    cols: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> prediction: array<f32>;
@group(0) @binding(4) var<storage, read_write> terms: array<f32>;

fn at(row: u32, col: u32) -> u32 {
    return row * params.cols + col;
}

struct Best {
    score: f32,
    weight: f32,
    score_at: u32,
    weight_at: u32,
}

var<workgroup> bests: array<Best, 64>;

fn better(value: f32, at: u32, other: f32, other_at: u32) -> bool {
    return value > other || (value == other && at < other_at);
}

fn merge(a: Best, b: Best) -> Best {
    var best = a;
    if better(b.score, b.score_at, a.score, a.score_at) {
        best.score = b.score;
        best.score_at = b.score_at;
    }
    if better(b.weight, b.weight_at, a.weight, a.weight_at) {
        best.weight = b.weight;
        best.weight_at = b.weight_at;
    }
    return best;
}

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
    var best = Best(LOWEST, LOWEST, 0xffffffffu, 0xffffffffu);
    for (var col = lane; col < params.cols; col += 64u) {
        best = merge(best, Best(prediction[row * params.cols + col], target_weight(row, col), col, col));
    }
    bests[lane] = best;
    workgroupBarrier();
    for (var stride = 32u; stride > 0u; stride = stride / 2u) {
        if lane < stride {
            bests[lane] = merge(bests[lane], bests[lane + stride]);
        }
        workgroupBarrier();
    }
    if lane == 0u {
        let rows = steps.entries[steps.counter % steps.capacity].rows;
        terms[row] = select(0.0, 1.0, row < rows && bests[0].score_at == bests[0].weight_at);
    }
}
