// Sums partial results that lie one after the other.
struct Params {
    len: u32,
    parts: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(group, groups) * 64u + lane;
    if i >= params.len {
        return;
    }
    var total = 0.0;
    // Also bounded by a length: Mesa's lavapipe compiles a kernel anew for each dispatch if a loop ends at a uniform number.
    let parts = min(params.parts, arrayLength(&x));
    for (var part = 0u; part < parts; part++) {
        total += x[part * params.len + i];
    }
    y[i] = total;
}
