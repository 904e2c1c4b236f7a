// cross_entropy: -sum_j w_j t_j log softmax(x)_j per row of logits
struct Hyper {
    label_smoothing: f32,
    ignore_index: f32,
}

// What the target gives a class; nothing in a row without a target.
fn weighted_target(row: u32, col: u32) -> f32 {
    let smoothing = params.hyper.label_smoothing;
    let weighted = weight_of(col) * ((1.0 - smoothing) * target_weight(row, col) + smoothing / f32(params.cols));
    return select(weighted, 0.0, is_class(row, params.hyper.ignore_index));
}

const SLACK = 1.0;

fn candidate(x: f32, row: u32, col: u32) -> f32 {
    return x;
}

// The exponentials of what is not the top, how often the top is there, the weighted targets, and those times the distance to
// the top.
fn accumulate(x: f32, row: u32, col: u32, top: f32) -> Sums {
    let weighted = weighted_target(row, col);
    let below = select(safe_exp(x - top), 0.0, x == top);
    // A class whose weighted target is 0 adds nothing, whatever its score.
    return Sums(below, select(0.0, 1.0, x == top), weighted, select(weighted * (top - x), 0.0, weighted == 0.0));
}

fn raise(sums: Sums, old: f32, top: f32) -> Sums {
    let moved = select(sums.z * (top - old), 0.0, sums.z == 0.0);
    let raised = Sums((sums.x + sums.y) * safe_exp(old - top), 0.0, sums.z, sums.w + moved);
    return select(raised, sums, old == top);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    let all = sums.z * log1p((sums.y - 1.0) + sums.x) + sums.w;
    // Of no classes there is no top.
    return select(all, 0.0, params.cols == 0u);
}

// softmax(x) * total - weighted target, with 1 - softmax(x) from the other exponentials: nothing cancels at the right class.
fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let weighted = weighted_target(row, col);
    let sum = sums.x + sums.y;
    let own = select(safe_exp(x - top), 1.0, x == top);
    let others = select(sum - own, (sums.y - 1.0) + sums.x, x == top);
    return (own * (sums.z - weighted) - weighted * others) / sum;
}
