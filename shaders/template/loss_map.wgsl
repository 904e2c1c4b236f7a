// A term and a gradient per element of the rows that take part in the step; a partial sum per 1024 elements.
struct Params {
    len: u32,
    cols: u32,
    // 1: the gradient of the mean, 0: of the sum.
    mean: u32,
    // 1: write each term, 2: write each gradient, 3: both.
    writes: u32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> prediction: array<f32>;
@group(0) @binding(3) var<storage, read> target_values: array<f32>;
@group(0) @binding(4) var<storage, read_write> terms: array<f32>;
@group(0) @binding(5) var<storage, read_write> grad: array<f32>;
@group(0) @binding(6) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = flat_workgroup(group, groups);
    let rows = min(params.len / params.cols, steps.entries[steps.counter % steps.capacity].rows);
    let active_len = rows * params.cols;
    let scale = select(1.0, 1.0 / f32(active_len), params.mean == 1u);
    var sums = vec4(0.0);
    for (var part = 0u; part < 4u; part++) {
        let i = block * 1024u + part * 256u + lane;
        if i >= params.len {
            break;
        }
        var term = 0.0;
        var slope = 0.0;
        if i < active_len {
            term = value(prediction[i], target_values[i]);
            slope = scale * gradient(prediction[i], target_values[i]);
        }
        if (params.writes & 1u) != 0u {
            terms[i] = term;
        }
        if (params.writes & 2u) != 0u {
            grad[i] = slope;
        }
        sums[part] = term;
    }
    let total = sum_lanes((sums.x + sums.y) + (sums.z + sums.w), lane, 256u);
    if lane == 0u && block * 1024u < params.len {
        partial[block] = total;
    }
}
