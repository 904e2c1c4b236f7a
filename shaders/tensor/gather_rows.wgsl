// Bit by bit: whatever the rows hold.
struct Params {
    len: u32,
    cols: u32,
    // Rows of the table.
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read> indices: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_index(group, groups, lane, 64u);
    if i >= params.len {
        return;
    }
    let row = indices[i / params.cols];
    var bits = 0u;
    if row < params.rows {
        bits = table[row * params.cols + i % params.cols];
    }
    y[i] = bits;
}
