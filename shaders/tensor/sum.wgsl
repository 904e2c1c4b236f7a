// One sum per 1024 elements; run again over its own output until one is left.
struct Params {
    len: u32,
    // Where in y this run's first sum goes.
    offset: u32,
    // 1: sum the squares.
    square: u32,
    // Terms per participating row if the result is to be a mean; 0 for a sum.
    terms_per_row: u32,
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = flat_workgroup(group, groups);
    var parts = vec4(0.0);
    for (var part = 0u; part < 4u; part++) {
        let i = block * 1024u + part * 256u + lane;
        if i < params.len {
            let v = x[i];
            parts[part] = select(v, v * v, params.square == 1u);
        }
    }
    let total = sum_lanes((parts.x + parts.y) + (parts.z + parts.w), lane, 256u);
    if lane == 0u && (block * 1024u < params.len || block == 0u) {
        let rows = min(params.rows, steps.entries[now()].rows);
        let terms = f32(rows * params.terms_per_row);
        // The mean of no terms is 0, as on the reference.
        y[params.offset + block] = select(total / max(terms, 1.0), total, params.terms_per_row == 0u);
    }
}
