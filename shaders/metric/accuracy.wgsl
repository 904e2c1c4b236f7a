// 1 for each row whose target class is among the k largest scores, of equal ones the first. The target is the first
// class of the largest weight. One workgroup per row.
struct Params {
    rows: u32,
    cols: u32,
    k: u32,
    // 1: the targets are classes, and one that is none is never right.
    classes: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> prediction: array<f32>;
@group(0) @binding(4) var<storage, read_write> terms: array<f32>;

fn at(row: u32, col: u32) -> u32 {
    return row * params.cols + col;
}

struct Best {
    weight: f32,
    place: u32,
}

var<workgroup> bests: array<Best, 64>;
var<workgroup> ranks: array<u32, 64>;

fn merge(a: Best, b: Best) -> Best {
    if b.weight > a.weight || (b.weight == a.weight && b.place < a.place) {
        return b;
    }
    return a;
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
    open_row(row);
    var best = Best(LOWEST, 0xffffffffu);
    for (var col = lane; col < params.cols; col += 64u) {
        best = merge(best, Best(target_weight(row, col), col));
    }
    bests[lane] = best;
    workgroupBarrier();
    for (var stride = 32u; stride > 0u; stride = stride / 2u) {
        if lane < stride {
            bests[lane] = merge(bests[lane], bests[lane + stride]);
        }
        workgroupBarrier();
    }
    let right = min(bests[0].place, params.cols - 1u);
    let score = prediction[at(row, right)];
    var rank = 0u;
    for (var col = lane; col < params.cols; col += 64u) {
        let other = prediction[at(row, col)];
        rank += select(0u, 1u, other > score || (other == score && col < right));
    }
    ranks[lane] = rank;
    workgroupBarrier();
    for (var stride = 32u; stride > 0u; stride = stride / 2u) {
        if lane < stride {
            ranks[lane] += ranks[lane + stride];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        let rows = steps.entries[now()].rows;
        // NaN is never among the largest.
        let valid = (params.classes == 0u || bests[0].weight == 1.0) && !is_nan(score);
        terms[row] = select(0.0, 1.0, row < rows && valid && ranks[0] < params.k);
    }
}
