// A term per row and its derivative, for the rows that take part in the step. A power of two of invocations, up to the
// whole workgroup, shares a row. The op sums some numbers over the row (accumulate), if it likes below a top that rises
// on the way (raise), and makes of these sums the term and each derivative. Sums are nested, since long ones lose
// accuracy; a turn takes four columns, since llvmpipe ends an invocation's loops after 65 535 turns; which ones is said
// beside (columns).
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
    // 1: there is a weight per row; 2: one number to divide by.
    scaled: u32,
    // The number of the input that the gradient is by.
    input: u32,
    upstream: f32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;

const WIDTH: u32 = 256u;

var<private> row_start: u32;

// Where a column of the invocation's own row lies.
fn at(row: u32, col: u32) -> u32 {
    return row_start + col * params.inner;
}

// A NaN in a row reaches its term and every derivative, whatever the op sees of it: the sums carry it (marked, mark).
fn accumulate_at(x: f32, row: u32, col: u32, top: f32) -> Sums {
    return marked(accumulate(x, row, col, top), taken(x, row, col));
}

fn accumulate_below(x: f32, end: u32, row: u32, col: u32, top: f32) -> Sums {
    if col >= end {
        return Sums();
    }
    return accumulate_at(x, row, col, top);
}

fn slope_at(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    return keep_nan(mark(sums), slope(x, row, col, top, sums));
}

fn slope_below(x: f32, end: u32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    if col >= end {
        return 0.0;
    }
    return slope_at(x, row, col, top, sums);
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
    row_start = row / params.inner * params.cols * params.inner + row % params.inner;
    open_row(row);
    // As many runs as turns in a run: a sum's error grows with the number of additions one after the other.
    let turns = (params.cols + 4u * params.lanes - 1u) / (4u * params.lanes);
    let run_length = u32(ceil(sqrt(f32(turns)))) * 4u * params.lanes;
    var top = START;
    var sums = Sums();
    var col = first_column(first);
    while col < end {
        let stop = min(col + run_length, end);
        var run = Sums();
        for (; col < stop; col += 4u * params.lanes) {
            let cols = columns(col);
            let x = predictions(row, cols, end);
            let higher = raised(top, x, row, cols, end);
            sums = raise(sums, top, higher);
            run = raise(run, top, higher);
            top = higher;
            let near = accumulate_at(x.x, row, cols.x, top) + accumulate_below(x.y, end, row, cols.y, top);
            let far = accumulate_below(x.z, end, row, cols.z, top) + accumulate_below(x.w, end, row, cols.w, top);
            run = run + (near + far);
        }
        sums = sums + run;
    }
    let own_top = top;
    top = row_top(own_top, lane);
    sums = sum_row(raise(sums, own_top, top), lane);
    if row >= params.rows {
        return;
    }
    let samples = min(params.rows / params.inner, steps.entries[now()].rows);
    let is_active = row < samples * params.inner;
    var own = 1.0;
    if params.scaled == 1u {
        own = weight_number(row);
    } else if params.scaled == 2u {
        own = select(1.0 / weight_number(0u), 0.0, weight_number(0u) == 0.0);
    }
    if first == 0u {
        let whole = keep_nan(mark(sums), term(row, top, sums));
        put_value(row, select(0.0, own * whole, is_active));
    }
    if params.writes == 0u {
        return;
    }
    let factor = select(1.0 / f32(samples * params.terms_per_sample), 1.0, params.terms_per_sample == 0u);
    let scale = params.upstream * factor * own;
    for (col = first_column(first); col < end; col += 4u * params.lanes) {
        let cols = columns(col);
        let x = predictions(row, cols, end);
        let near = vec2(slope_at(x.x, row, cols.x, top, sums), slope_below(x.y, end, row, cols.y, top, sums));
        let far = vec2(
            slope_below(x.z, end, row, cols.z, top, sums),
            slope_below(x.w, end, row, cols.w, top, sums)
        );
        put_gradient(row, cols, end, select(vec4(0.0), scale * vec4(near, far), is_active));
    }
}
