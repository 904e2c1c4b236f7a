// Whole numbers below 2^24 as indices; anything else as the largest index, which no table has.
struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
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
    let number = x[i];
    let index = u32(clamp(number, 0.0, 16777216.0));
    // By their bits: NaN and subnormal numbers are no index, -0 is 0.
    let same = bitcast<u32>(f32(index)) == bitcast<u32>(number) || is_zero(number);
    y[i] = select(0xffffffffu, index, same && index < 16777216u);
}
