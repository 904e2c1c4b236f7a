// Each channel has count learned numbers; weight holds them by number, then by channel. One channel is for all columns.
struct Params {
    len: u32,
    cols: u32,
    channels: u32,
    count: u32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;

fn weights(channel: u32) -> vec4<f32> {
    var p = vec4(0.0);
    // Also bounded by a length: Mesa's lavapipe compiles a kernel anew for each dispatch if a loop ends at a uniform number.
    let count = min(params.count, arrayLength(&weight));
    for (var k = 0u; k < count; k++) {
        p[k] = weight[k * params.channels + channel];
    }
    return p;
}
