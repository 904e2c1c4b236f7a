// A term per row and its derivative, for the rows that take part in the step. A power of two of invocations, up to the
// whole workgroup, shares a row. The op sums some numbers over the row (accumulate) and makes of these sums the term
// and each derivative. Sums are nested, since long ones lose accuracy; a turn takes four columns, since llvmpipe ends an
// invocation's loops after 65 535 turns.
struct Params {
    rows: u32,
    cols: u32,
    // Rows per sample: the numbers of a row lie this far apart.
    inner: u32,
    // Invocations per row.
    lanes: u32,
    // The gradient is that of a mean over this many terms per sample; 0: of the sum.
    terms_per_sample: u32,
    // 1: write the gradient.
    writes: u32,
    // 1: row_scale holds a weight per row; 2: one number to divide by.
    scaled: u32,
    // 1: a weight per class.
    class_weights: u32,
    // The number of the input that the gradient is by.
    input: u32,
    upstream: f32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> prediction: array<f32>;
@group(0) @binding(4) var<storage, read> row_scale: array<f32>;
@group(0) @binding(5) var<storage, read_write> values: array<f32>;
@group(0) @binding(6) var<storage, read_write> grad: array<f32>;

const RUN: u32 = 64u;
const WIDTH: u32 = 256u;

var<workgroup> row_sums: array<Sums, 256>;

// Where a column of a row lies.
fn at(row: u32, col: u32) -> u32 {
    return (row / params.inner * params.cols + col) * params.inner + row % params.inner;
}

// The sum over the invocations of a row, by a fixed tree.
fn sum_row(value: Sums, lane: u32) -> Sums {
    if params.lanes == 1u {
        return value;
    }
    let first = lane % params.lanes;
    row_sums[lane] = value;
    workgroupBarrier();
    for (var stride = params.lanes / 2u; stride > 0u; stride = stride / 2u) {
        if first < stride {
            row_sums[lane] = row_sums[lane] + row_sums[lane + stride];
        }
        workgroupBarrier();
    }
    return row_sums[lane - first];
}

fn accumulate_below(end: u32, row: u32, col: u32, top: f32) -> Sums {
    if col >= end {
        return Sums();
    }
    return accumulate(row, col, top);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = flat_workgroup(group, groups) * (WIDTH / params.lanes) + lane / params.lanes;
    let first = lane % params.lanes;
    // Every invocation reaches the barriers.
    let end = select(0u, params.cols, row < params.rows);
    let top = row_top(row, first, end, lane);
    var sums = Sums();
    var col = first;
    while col < end {
        let stop = min(col + RUN * params.lanes, end);
        var run = Sums();
        for (; col < stop; col += 4u * params.lanes) {
            let near = accumulate(row, col, top) + accumulate_below(end, row, col + params.lanes, top);
            let far = accumulate_below(end, row, col + 2u * params.lanes, top)
                + accumulate_below(end, row, col + 3u * params.lanes, top);
            run = run + (near + far);
        }
        sums = sums + run;
    }
    sums = sum_row(sums, lane);
    if row >= params.rows {
        return;
    }
    let samples = min(params.rows / params.inner, steps.entries[now()].rows);
    let is_active = row < samples * params.inner;
    var own = 1.0;
    if params.scaled == 1u {
        own = row_scale[row];
    } else if params.scaled == 2u {
        own = select(1.0 / row_scale[0], 0.0, row_scale[0] == 0.0);
    }
    if first == 0u {
        values[row] = select(0.0, own * term(row, top, sums), is_active);
    }
    if params.writes == 0u {
        return;
    }
    let share = select(1.0 / f32(samples * params.terms_per_sample), 1.0, params.terms_per_sample == 0u);
    let scale = params.upstream * share * own;
    for (col = first; col < end; col += 4u * params.lanes) {
        for (var part = 0u; part < 4u; part++) {
            let each = col + part * params.lanes;
            if each < end {
                grad[at(row, each)] = select(0.0, scale * slope(row, each, top, sums), is_active);
            }
        }
    }
}
