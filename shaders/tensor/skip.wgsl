// Decides whether the update is skipped: if it is due and any gradient is NaN or infinite. The next update has the number of
// this one.
struct Params {
    len: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> steps: Steps;
@group(0) @binding(3) var<storage, read_write> skipped: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var count = 0.0;
    for (var i = lane; i < params.len; i += 256u) {
        count += partial[i];
    }
    let total = sum_lanes(count, lane, 256u);
    if lane == 0u {
        let skips = total > 0.0 && is_due();
        steps.skips = select(0u, 1u, skips);
        skipped[0] = select(0.0, 1.0, skips);
        steps.late += steps.skips;
    }
}
