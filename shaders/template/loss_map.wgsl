// A term and a derivative per element of the rows that take part in the step; a partial sum per 1024 elements.
struct Params {
    len: u32,
    // A power of two up to 256.
    lanes: u32,
    cols: u32,
    // The gradient is that of a mean over this many terms per row; 0: of the sum.
    terms_per_row: u32,
    // 1: write each term in place of the partial sums, 2: write the gradient.
    writes: u32,
    // 1: a weight per row, 2: per element.
    weights: u32,
    // The number of the input that the gradient is by.
    input: u32,
    upstream: f32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> prediction: array<f32>;
@group(0) @binding(3) var<storage, read> target_values: array<f32>;

fn weight_at(i: u32) -> f32 {
    if params.weights == 0u {
        return 1.0;
    }
    return weight_number(select(i / params.cols, i, params.weights == 2u));
}

@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let step = params.lanes;
    let block = flat_workgroup(group, groups) * (256u / step) + lane / step;
    let end = min(1024u * block + 1024u, params.len);
    let rows = min(params.len / params.cols, steps.entries[now()].rows);
    let active_len = rows * params.cols;
    let factor = select(1.0 / f32(rows * params.terms_per_row), 1.0, params.terms_per_row == 0u);
    var sum = 0.0;
    var i = 1024u * block + lane % step;
    while i < end {
        // By runs of eight, for a sum's error grows with the number of its additions.
        let run_end = min(i + 8u * step, end);
        var run = 0.0;
        for (; i < run_end; i += step) {
            var term = 0.0;
            var slope = 0.0;
            if i < active_len {
                let own = weight_at(i);
                term = own * value_at(i);
                slope = params.upstream * factor * own * gradient_at(i);
            }
            if (params.writes & 1u) != 0u {
                put_value(i, term);
            }
            if (params.writes & 2u) != 0u {
                put_slope(i, slope);
            }
            run += term;
        }
        sum += run;
    }
    let total = sum_group(sum, lane);
    if lane % step == 0u && 1024u * block < params.len && (params.writes & 1u) == 0u {
        put_value(block, total);
    }
}
