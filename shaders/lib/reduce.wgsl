// Below every row's maximum; large and finite, since a shader may not rely on infinities.
const LOWEST = -3.4028234e38;

// Sums and maxima over groups of width lanes, a power of two, by a fixed tree, so that the same input gives the same
// bits in every run.
var<workgroup> lanes: array<f32, 256>;

fn sum_lanes(value: f32, lane: u32, width: u32) -> f32 {
    let part = lane % width;
    lanes[lane] = value;
    workgroupBarrier();
    for (var stride = width / 2u; stride > 0u; stride = stride / 2u) {
        if part < stride {
            lanes[lane] += lanes[lane + stride];
        }
        workgroupBarrier();
    }
    let total = lanes[lane - part];
    workgroupBarrier();
    return total;
}

fn max_lanes(value: f32, lane: u32, width: u32) -> f32 {
    let part = lane % width;
    lanes[lane] = value;
    workgroupBarrier();
    for (var stride = width / 2u; stride > 0u; stride = stride / 2u) {
        if part < stride {
            lanes[lane] = max(lanes[lane], lanes[lane + stride]);
        }
        workgroupBarrier();
    }
    let top = lanes[lane - part];
    workgroupBarrier();
    return top;
}
