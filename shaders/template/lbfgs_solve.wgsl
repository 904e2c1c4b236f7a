// The two loops of L-BFGS on the coefficients of the direction (Chen et al. 2014): the history itself is not touched.
struct Params {
    slots: u32,
    chunks: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> partial: array<f32>;
@group(0) @binding(3) var<storage, read_write> numbers: array<f32>;

var<workgroup> dots: array<f32, 1020>;
var<workgroup> along_s: array<f32, 256>;
var<workgroup> along_y: array<f32, 256>;
// The slot of the newest pair and how many pairs there are; whether there is anything to do.
var<workgroup> newest: vec3<u32>;

fn total(index: u32) -> f32 {
    let largest = index == 5u * params.slots + 2u;
    var sum = 0.0;
    // Also bounded by a length: see optimizer.wgsl.
    let chunks = min(params.chunks, arrayLength(&partial));
    for (var chunk = 0u; chunk < chunks; chunk++) {
        let part = partial[5u * (index / 5u * params.chunks + chunk) + index % 5u];
        sum = select(sum + part, max(sum, part), largest);
    }
    return sum;
}

// Takes the new pair into the history if its curvature is positive.
fn accept(head: u32) {
    let curvature = dots[5u * head];
    numbers[PLACE] = f32(head);
    if curvature > 1e-10 {
        let slots = min(params.slots, arrayLength(&numbers));
        for (var i = 0u; i < slots; i++) {
            numbers[products_sy(i, head, params.slots)] = dots[5u * i];
            numbers[products_sy(head, i, params.slots)] = dots[5u * i + 2u];
            numbers[products_yy(i, head, params.slots)] = dots[5u * i + 3u];
            numbers[products_yy(head, i, params.slots)] = dots[5u * i + 3u];
        }
        numbers[SCALE] = curvature / dots[5u * head + 3u];
        numbers[HEAD] = f32((head + 1u) % params.slots);
        numbers[COUNT] = min(numbers[COUNT] + 1.0, f32(params.slots - 1u));
    }
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    for (var index = lane; index < 5u * params.slots + 5u; index += 256u) {
        dots[index] = total(index);
    }
    workgroupBarrier();
    let scalars = steps.entries[due()].scalars;
    let own = 5u * params.slots;
    let first = numbers[ITERATIONS] == 0.0;
    if lane == 0u {
        let rests = !updates() || (dots[own + 2u] <= scalars.tolerance_grad && !is_nan(dots[own + 1u]));
        numbers[RESTS] = select(0.0, 1.0, rests);
        if !rests {
            if first {
                numbers[SCALE] = 1.0;
                numbers[PLACE] = 0.0;
            } else {
                accept(u32(numbers[HEAD]));
            }
        }
        newest = vec3(u32(numbers[HEAD]), u32(numbers[COUNT]), select(1u, 0u, rests));
    }
    let at = workgroupUniformLoad(&newest);
    if at.z == 0u {
        return;
    }
    storageBarrier();
    let slots = params.slots;
    let scale = numbers[SCALE];
    // This lane's pair: the lane-th before the head.
    let mine = (at.x + slots - 1u - lane % slots) % slots;
    let takes_part = lane < at.y;
    var on_s = 0.0;
    var on_y = 0.0;
    // From the newest pair to the oldest.
    for (var k = 0u; k < at.y; k++) {
        let i = (at.x + slots - 1u - k) % slots;
        let term = select(0.0, on_y * numbers[products_sy(i, mine, slots)], lane < k);
        let sum = sum_lanes(term, lane, 256u) - dots[5u * i + 1u];
        on_y = select(on_y, -sum / numbers[products_sy(i, i, slots)], lane == k);
    }
    // And back.
    for (var back = at.y; back > 0u; back--) {
        let k = back - 1u;
        let i = (at.x + slots - 1u - k) % slots;
        let of_y = select(0.0, scale * on_y * numbers[products_yy(i, mine, slots)], takes_part);
        let of_s = select(0.0, on_s * numbers[products_sy(mine, i, slots)], takes_part && lane > k);
        let sum = sum_lanes(of_y + of_s, lane, 256u) - scale * dots[5u * i + 4u];
        on_s = select(on_s, -on_y - sum / numbers[products_sy(i, i, slots)], lane == k);
    }
    let slope = select(0.0, scale * on_y * dots[5u * mine + 4u] + on_s * dots[5u * mine + 1u], takes_part);
    let along = sum_lanes(slope, lane, 256u) - scale * dots[own];
    if lane < slots {
        along_s[mine] = select(0.0, on_s, takes_part);
        along_y[mine] = select(0.0, scale * on_y, takes_part);
    }
    workgroupBarrier();
    if lane < slots {
        numbers[coefficient_s(lane, slots)] = along_s[lane];
        numbers[coefficient_y(lane, slots)] = along_y[lane];
    }
    if lane == 0u {
        numbers[coefficient_g(slots)] = -scale;
        let start = first && !is_nan(dots[own + 1u]);
        numbers[LENGTH] = scalars.rate * select(1.0, min(1.0, 1.0 / dots[own + 1u]), start);
        numbers[MOVES] = select(1.0, 0.0, along > -scalars.tolerance_change);
        numbers[ITERATIONS] = 1.0;
    }
}
