// The products of one slot's s and y with the new pair and the gradient, over 4096 elements: s . y', s . g, y . s', y . y',
// y . g; in the place after the last slot the gradient's own: g . g, the sum and the largest of its magnitudes.
struct Params {
    len: u32,
    slots: u32,
    chunks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read> prev: array<f32>;
@group(0) @binding(4) var<storage, read> s: array<f32>;
@group(0) @binding(5) var<storage, read> y: array<f32>;
@group(0) @binding(6) var<storage, read> numbers: array<f32>;
@group(0) @binding(7) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let index = flat_workgroup(group, groups);
    let slot = index / params.chunks;
    let chunk = index % params.chunks;
    if slot > params.slots || !is_due() {
        return;
    }
    let head = u32(numbers[HEAD]);
    var sums = array<f32, 5>();
    let end = min(4096u * (chunk + 1u), params.len);
    for (var i = 4096u * chunk + lane; i < end; i += 256u) {
        let grad = g[i];
        if slot == params.slots {
            sums[0] += grad * grad;
            sums[1] += abs(grad);
            sums[2] = max(sums[2], abs(grad));
        } else {
            let new_y = grad - prev[i];
            let at = slot * params.len + i;
            let its_y = select(y[at], new_y, slot == head);
            sums[0] += s[at] * new_y;
            sums[1] += s[at] * grad;
            sums[2] += its_y * s[head * params.len + i];
            sums[3] += its_y * new_y;
            sums[4] += its_y * grad;
        }
    }
    let largest = max_lanes(sums[2], lane, 256u);
    for (var k = 0u; k < 5u; k++) {
        let total = sum_lanes(sums[k], lane, 256u);
        if lane == 0u {
            partial[5u * index + k] = select(total, largest, slot == params.slots && k == 2u);
        }
    }
}
