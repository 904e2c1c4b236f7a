// A training step of a small network: the forward pass, the loss and the backward pass of blocks of rows, with activations in
// workgroup memory. Each workgroup leaves the sums of the gradients over its blocks in a part of its own, which the second
// dispatch adds up. The host writes the constants, `forward`, `backward`, and what depends on the loss and the inputs.

var<workgroup> memory: array<vec4<f32>, MEMORY>;
var<workgroup> terms: array<f32, BLOCK * METRICS>;
var<workgroup> sources: array<u32, BLOCK>;

fn param_at(i: u32) -> f32 {
    return param[i / 4u][i % 4u];
}

// Rows that take no part repeat the last one that does: their gradient is 0, and their numbers stay finite.
fn row_of(any: u32, taking: u32) -> u32 {
    return min(any, max(taking, 1u) - 1u);
}

fn score(row: u32, col: u32) -> f32 {
    return memory[OUTPUT + row * COL_FOURS + col / 4u][col % 4u];
}

fn set_gradient(row: u32, col: u32, slope: f32) {
    memory[GRAD + row * COL_FOURS + col / 4u][col % 4u] = slope;
}

// The weight of a row in a mean over all rows that take part.
fn fraction(taking: u32) -> f32 {
    if TERMS == 0u {
        return 1.0;
    }
    return 1.0 / f32(max(taking, 1u) * TERMS);
}

fn weight_of(class_index: u32) -> f32 {
    return 1.0;
}

fn column_weight() -> f32 {
    return 1.0;
}

fn store(at: u32, value: f32) {
    partial[at / 4u][at % 4u] = value;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let part = flat_workgroup(group, groups);
    if part >= params.groups {
        return;
    }
    unknown = 65536u * groups.x;
    let now = steps.counter % steps.capacity;
    let taking = min(params.rows, steps.entries[now].rows);
    let start = part * STRIDE;
    var total = 0.0;
    // Uniform, since barriers depend on it, and unknown to compilers all the same.
    let blocks = min(params.blocks, 65536u * groups.x);
    for (var block = part; block < blocks; block += params.groups) {
        let first = block * BLOCK;
        for (var i = lane; i < BLOCK; i += LANES) {
            sources[i] = min(source_at(row_of(first + i, taking), now), params.data_rows - 1u);
        }
        barrier();
        for (var i = lane; i < BLOCK * INPUT_FOURS; i += LANES) {
            let row = i / INPUT_FOURS;
            var source = row_of(first + row, taking);
            if !APART {
                source = sources[row];
            }
            memory[i] = input_four(source, i % INPUT_FOURS);
        }
        barrier();
        forward(lane, first);
        for (var i = lane; i < BLOCK; i += LANES) {
            memory[GRAD + i * COL_FOURS + COL_FOURS - 1u] = vec4(0.0);
            let is_active = first + i < taking;
            row_loss(i, is_active, upstream() * fraction(taking));
            row_metrics(i, is_active);
        }
        barrier();
        if lane < METRICS {
            for (var row = 0u; row < turns(BLOCK); row++) {
                total += terms[lane * BLOCK + row];
            }
        }
        backward(lane, first, start, block == part);
    }
    let end = start + PARAMS;
    if lane < METRICS {
        store(end + lane, total);
    }
    if lane == 0u {
        // Whole numbers that a float holds exactly.
        store(end + METRICS, f32(steps.counter & 0xffffu));
        store(end + METRICS + 1u, f32(steps.counter >> 16u));
    }
}
