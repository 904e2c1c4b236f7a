// Adds the rows of x, from begin to end, to the rows of y of their indices. A workgroup takes 64 columns of a row of
// x: if it is the first row of its index, it adds all rows of that index in their order, so that the sums are always the
// same.
struct Params {
    begin: u32,
    end: u32,
    cols: u32,
    // Rows of y.
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

var<workgroup> earlier: array<u32, 64>;

// How many earlier rows have the same index.
fn earlier_rows(row: u32, index: u32, lane: u32) -> u32 {
    var found = 0u;
    for (var other = params.begin + lane; other < row; other += 64u) {
        found += select(0u, 1u, indices[other] == index);
    }
    earlier[lane] = found;
    workgroupBarrier();
    for (var stride = 32u; stride > 0u; stride = stride / 2u) {
        if lane < stride {
            earlier[lane] += earlier[lane + stride];
        }
        workgroupBarrier();
    }
    return earlier[0];
}

// By runs, which are then added up: a sum's error grows with the number of its additions.
fn total(row: u32, index: u32, col: u32) -> f32 {
    var sum = 0.0;
    var other = row;
    while other < params.end {
        let end = min(other + 128u, params.end);
        var run = 0.0;
        for (; other < end; other++) {
            if indices[other] == index {
                run += x[other * params.cols + col];
            }
        }
        sum += run;
    }
    return sum;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles = (params.cols + 63u) / 64u;
    let tile = flat_workgroup(group, groups);
    let row = params.begin + tile / tiles;
    let col = tile % tiles * 64u + lane;
    let index = indices[min(row, params.end - 1u)];
    let count = earlier_rows(row, index, lane);
    if count == 0u && row < params.end && index < params.rows && col < params.cols {
        y[index * params.cols + col] += total(row, index, col);
    }
}
