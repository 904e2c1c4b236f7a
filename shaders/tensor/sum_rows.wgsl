// Sums 32 columns of a block of rows per workgroup: 8 invocations share a column's rows, each summing runs of 32 before
// adding them up. Run again over its own output until one block is left: a single run over many rows would leave most of
// a device idle, and llvmpipe ends an invocation's loops after 65 535 turns.
struct Params {
    rows: u32,
    cols: u32,
    // Rows per block.
    block: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

var<workgroup> sums: array<f32, 256>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tiles = (params.cols + 31u) / 32u;
    let index = flat_workgroup(group, groups);
    let block = index / tiles;
    let col = index % tiles * 32u + lane % 32u;
    let begin = block * params.block;
    let limit = min(begin + params.block, params.rows);
    var total = 0.0;
    if col < params.cols {
        var row = begin + lane / 32u;
        while row < limit {
            let end = min(row + 256u, limit);
            var run = 0.0;
            for (; row < end; row += 8u) {
                run += x[row * params.cols + col];
            }
            total += run;
        }
    }
    sums[lane] = total;
    workgroupBarrier();
    for (var stride = 128u; stride >= 32u; stride = stride / 2u) {
        if lane < stride {
            sums[lane] += sums[lane + stride];
        }
        workgroupBarrier();
    }
    // The folded grid can have more workgroups than there are blocks.
    if lane < 32u && col < params.cols && begin < max(params.rows, 1u) {
        y[block * params.cols + col] = sums[lane];
    }
}
