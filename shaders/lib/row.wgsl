// A row is every inner-th element from its start on. A group of lanes shares it: one lane if it is short, the whole
// workgroup if it is long. Each turn of a loop takes four elements: llvmpipe ends an invocation's loops after 65 535 turns in
// all.
struct Params {
    rows: u32,
    cols: u32,
    inner: u32,
    // A power of two up to 256.
    lanes: u32,
    key0: u32,
    key1: u32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;

// A row as one of its lanes sees it.
struct Row {
    start: u32,
    first: u32,
    // 0 for lanes beyond the last row: they still meet the others at barriers.
    cols: u32,
    lane: u32,
}

fn own_row(group: u32, lane: u32) -> Row {
    let row = group * (256u / params.lanes) + lane / params.lanes;
    let start = row / params.inner * params.cols * params.inner + row % params.inner;
    return Row(start, lane % params.lanes, select(0u, params.cols, row < params.rows), lane);
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    run_row(own_row(flat_workgroup(group, groups), lane));
}

fn place(row: Row, col: u32) -> u32 {
    return row.start + col * params.inner;
}

// Sums go by runs of 32 turns before they are added up, for a sum's error grows with the number of its additions.
fn run_end(row: Row, col: u32) -> u32 {
    return min(col + 128u * params.lanes, row.cols);
}

fn sum_row(value: f32, row: Row) -> f32 {
    return sum_group(value, row.lane);
}

fn max_row(value: f32, row: Row) -> f32 {
    return max_group(value, row.lane);
}
