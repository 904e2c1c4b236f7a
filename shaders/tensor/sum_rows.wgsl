// Sums 32 columns per workgroup: 8 invocations share a column's rows, each summing blocks of 32 before adding them up.
struct Params {
    rows: u32,
    cols: u32,
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
    let col = flat_workgroup(group, groups) * 32u + lane % 32u;
    var total = 0.0;
    if col < params.cols {
        var row = lane / 32u;
        while row < params.rows {
            let end = min(row + 256u, params.rows);
            var block = 0.0;
            for (; row < end; row += 8u) {
                block += x[row * params.cols + col];
            }
            total += block;
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
    if lane < 32u && col < params.cols {
        y[col] = sums[lane];
    }
}
