@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

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
    let at = places(i);
    let bits = x[at.x];
    // A copy keeps every bit: a product may flush subnormal numbers.
    y[at.y] = select(bitcast<u32>(bitcast<f32>(bits) * params.alpha), bits, params.alpha == 1.0);
}
