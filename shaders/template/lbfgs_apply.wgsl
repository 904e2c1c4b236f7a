// Puts the direction together from the history and the gradient, goes along it, and leaves the step for the history.
struct Params {
    len: u32,
    slots: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> g: array<f32>;
@group(0) @binding(3) var<storage, read> numbers: array<f32>;
@group(0) @binding(4) var<storage, read_write> param: array<f32>;
@group(0) @binding(5) var<storage, read_write> prev: array<f32>;
@group(0) @binding(6) var<storage, read_write> s: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = flat_workgroup(group, groups) * 64u + lane;
    if i >= params.len || !updates() || numbers[RESTS] == 1.0 {
        return;
    }
    let grad = g[i];
    y[u32(numbers[PLACE]) * params.len + i] = grad - prev[i];
    prev[i] = grad;
    var direction = numbers[coefficient_g(params.slots)] * grad;
    // Also bounded by a length: see optimizer.wgsl.
    let slots = min(params.slots, arrayLength(&s));
    for (var slot = 0u; slot < slots; slot++) {
        let on_s = numbers[coefficient_s(slot, params.slots)];
        let on_y = numbers[coefficient_y(slot, params.slots)];
        if !is_zero(on_s) || !is_zero(on_y) {
            direction += on_s * s[slot * params.len + i] + on_y * y[slot * params.len + i];
        }
    }
    let step = numbers[LENGTH] * direction;
    s[u32(numbers[HEAD]) * params.len + i] = step;
    param[i] += numbers[MOVES] * step;
}
