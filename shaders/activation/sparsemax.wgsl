// sparsemax: max(x_i - t, 0) along dim, t such that the sum is 1
struct Hyper {
    dim: f32,
}

// The row's largest element, and the threshold below it.
struct Statistics {
    top: f32,
    threshold: f32,
}

alias Totals = f32;

fn score(x: f32, i: u32) -> f32 {
    return x;
}

fn above_at(row: Row, col: u32, top: f32, threshold: f32) -> vec2<f32> {
    let z = score_at(row, col) - top;
    return select(vec2(0.0), vec2(z, 1.0), col < row.cols && (z > threshold || is_nan(z)));
}

fn above_four(row: Row, col: u32, top: f32, threshold: f32) -> vec2<f32> {
    let step = params.lanes;
    return (above_at(row, col, top, threshold) + above_at(row, col + step, top, threshold))
        + (above_at(row, col + 2u * step, top, threshold) + above_at(row, col + 3u * step, top, threshold));
}

// The sum and the number of the elements above a threshold.
fn above(row: Row, top: f32, threshold: f32) -> vec2<f32> {
    var sums = vec2(0.0);
    var col = row.first;
    while col < row.cols {
        let end = run_end(row, col);
        var run = vec2(0.0);
        for (; col < end; col += 8u * params.lanes) {
            run += above_four(row, col, top, threshold) + above_four(row, col + 4u * params.lanes, top, threshold);
        }
        sums += run;
    }
    return vec2(sum_row(sums.x, row), sum_row(sums.y, row));
}

var<workgroup> moved: u32;

// The threshold t with sum max(z - t, 0) = 1 by Newton's method from the left, where the sum is convex. Each step takes
// the product of the remaining error and the number of elements above to a quarter at most (Dinkelbach's lemma), so that
// 12 + log2(cols) steps pass the accuracy of f32; and each takes one element's side at least, so that cols steps do.
fn row_statistics(row: Row) -> Statistics {
    let top = row_top(row, LOWEST);
    var threshold = -1.0;
    let turns = min(params.cols, 13u + firstLeadingBit(params.cols));
    for (var turn = 0u; turn < turns; turn++) {
        let sums = above(row, top, threshold);
        let step = (sums.x - 1.0) / max(sums.y, 1.0);
        let before = threshold;
        threshold = keep_nan(step, max(before, step));
        // Where all lanes share one row they can stop together.
        if params.lanes == 256u {
            if row.lane == 0u {
                moved = select(0u, 1u, threshold > before);
            }
            if workgroupUniformLoad(&moved) == 0u {
                break;
            }
        }
    }
    return Statistics(top, threshold);
}

fn result(i: u32, col: u32, row: Statistics) -> f32 {
    return keep_nan(row.threshold, max((value(i) - row.top) - row.threshold, 0.0));
}

fn inside_at(row: Row, col: u32) -> vec2<f32> {
    if col >= row.cols {
        return vec2(0.0);
    }
    let i = place(row, col);
    return select(vec2(0.0), vec2(upstream(i), 1.0), value(i) > 0.0);
}

// The mean upstream gradient of the elements that are not 0.
fn row_totals(row: Row) -> Totals {
    var sums = vec2(0.0);
    var col = row.first;
    while col < row.cols {
        let end = run_end(row, col);
        var run = vec2(0.0);
        for (; col < end; col += 4u * params.lanes) {
            run += (inside_at(row, col) + inside_at(row, col + params.lanes))
                + (inside_at(row, col + 2u * params.lanes) + inside_at(row, col + 3u * params.lanes));
        }
        sums += run;
    }
    return sum_row(sums.x, row) / max(sum_row(sums.y, row), 1.0);
}

fn gradient(i: u32, mean: Totals) -> f32 {
    return select(0.0, upstream(i) - mean, value(i) > 0.0);
}
