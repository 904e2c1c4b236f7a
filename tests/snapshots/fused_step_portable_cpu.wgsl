// whole.step
const LANES = 8u;
const BLOCK = 8u;
const INPUTS = 2u;
const INPUT_FOURS = 1u;
const COLS = 3u;
const COL_FOURS = 1u;
const TERMS = 3u;
const METRICS = 2u;
const PARAMS = 256u;
const STRIDE = 320u;
const MEMORY = 40u;
const OUTPUT = 24u;
const GRAD = 32u;
const APART = false;
const UNROLLS = false;
struct Params {
    rows: u32,
    data_rows: u32,
    blocks: u32,
    groups: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<uniform> param: array<vec4<f32>, 64>;
@group(0) @binding(3) var<storage, read> data: array<f32>;
@group(0) @binding(4) var<storage, read> targets: array<f32>;
@group(0) @binding(5) var<storage, read_write> partial: array<vec4<f32>>;
// tanh: (exp(x) - exp(-x)) / (exp(x) + exp(-x))
fn forward_0(x: f32) -> f32 {
    return safe_tanh(x);
}

// (1 - y)(1 + y) keeps its accuracy where y is close to 1; 1 - y^2 does not.
fn derivative_0(y: f32) -> f32 {
    return (1.0 - y) * (1.0 + y);
}

fn second_0(y: f32) -> f32 {
    return -2.0 * y * ((1.0 - y) * (1.0 + y));
}

struct Hyper_metric1 {
    // 0: within the limit of each other, 1: both on the same side of the limit (a target's limit is 0.5), 2: 1 less the
    // squared distance as a fraction of the limit, 3: below 0 or above the limit, 4: the distance.
    mode: f32,
    limit: f32,
}

fn value_metric1(y: f32, t: f32) -> f32 {
    if metric_hyper_1().mode == 2.0 {
        return 1.0 - (y - t) * (y - t) / metric_hyper_1().limit;
    }
    if metric_hyper_1().mode == 3.0 {
        return select(0.0, 1.0, y < 0.0 || y > metric_hyper_1().limit);
    }
    if metric_hyper_1().mode == 4.0 {
        return abs(y - t);
    }
    let same = (y >= metric_hyper_1().limit) == (t >= 0.5);
    let near = abs(y - t) < metric_hyper_1().limit;
    return select(0.0, 1.0, select(near, same, metric_hyper_1().mode == 1.0));
}

fn gradient_metric1(y: f32, t: f32) -> f32 {
    return 0.0;
}

fn metric_hyper_1() -> Hyper_metric1 {
    return Hyper_metric1(4.0, 0.0);
}

fn metric_1(row: u32) -> f32 {
    var total = 0.0;
    for (var col = 0u; col < turns(COLS); col++) {
        total += value_metric1(score(row, col), target_weight(row, col));
    }
    return total;
}

fn barrier() {
    workgroupBarrier();
}

fn source_at(row: u32, now: u32) -> u32 {
    return row;
}

fn weight_of_row(i: u32) -> f32 {
    return 1.0;
}

fn upstream() -> f32 {
    return 1.0;
}

fn row_metrics(i: u32, is_active: bool) {
    terms[1u * BLOCK + i] = select(0.0, metric_1(i), is_active);
}

fn forward(lane: u32, first: u32) {
    for (var tile = lane; tile < 8u; tile += 8u) {
        let row = tile % 8u * 1u;
        let col = tile / 8u * 8u;
        var s0_0 = 0.0;
        var s0_1 = 0.0;
        var s0_2 = 0.0;
        var s0_3 = 0.0;
        var s0_4 = 0.0;
        var s0_5 = 0.0;
        var s0_6 = 0.0;
        var s0_7 = 0.0;
        let b0 = param[min(0u + col / 4u * 2u + 0u, 3u)];
        let b1 = param[min(0u + col / 4u * 2u + 1u, 3u)];
        let b2 = param[min(0u + col / 4u * 2u + 2u, 3u)];
        let b3 = param[min(0u + col / 4u * 2u + 3u, 3u)];
        let a0 = memory[0u + (row + 0u) * 1u + 0u];
        s0_0 += a0[0] * b0[0];
        s0_0 += a0[1] * b0[1];
        s0_1 += a0[0] * b0[2];
        s0_1 += a0[1] * b0[3];
        s0_2 += a0[0] * b1[0];
        s0_2 += a0[1] * b1[1];
        s0_3 += a0[0] * b1[2];
        s0_3 += a0[1] * b1[3];
        s0_4 += a0[0] * b2[0];
        s0_4 += a0[1] * b2[1];
        s0_5 += a0[0] * b2[2];
        s0_5 += a0[1] * b2[3];
        s0_6 += a0[0] * b3[0];
        s0_6 += a0[1] * b3[1];
        s0_7 += a0[0] * b3[2];
        s0_7 += a0[1] * b3[3];
        let bias0 = param[16u + min(col / 4u + 0u, 2u - 1u)];
        let bias4 = param[16u + min(col / 4u + 1u, 2u - 1u)];
        for (var turn = 0u; turn < min(1u, unknown); turn++) {
            {
                let v = vec4(s0_0, s0_1, s0_2, s0_3) + bias0;
                memory[8u + (row + turn) * 2u + (col + 0u) / 4u] = v;
            }
            {
                let v = vec4(s0_4, s0_5, s0_6, s0_7) + bias4;
                memory[8u + (row + turn) * 2u + (col + 4u) / 4u] = v;
            }
        }
    }
    barrier();
    for (var i = lane; i < 16u; i += 8u) {
        let v = memory[8u + i];
        memory[8u + i] = vec4(forward_0(v[0]), forward_0(v[1]), forward_0(v[2]), forward_0(v[3]));
    }
    barrier();
    for (var tile = lane; tile < 8u; tile += 8u) {
        let row = tile % 8u * 1u;
        let col = tile / 8u * 3u;
        var s0_0 = 0.0;
        var s0_1 = 0.0;
        var s0_2 = 0.0;
        let w0 = min(col + 0u, 3u - 1u) * 8u;
        let w1 = min(col + 1u, 3u - 1u) * 8u;
        let w2 = min(col + 2u, 3u - 1u) * 8u;
        for (var k = 0u; k < turns(2u); k++) {
            let b0 = param[(128u + w0 + k * 4u) / 4u];
            let b1 = param[(128u + w1 + k * 4u) / 4u];
            let b2 = param[(128u + w2 + k * 4u) / 4u];
            let a0 = memory[8u + (row + 0u) * 2u + k];
            s0_0 += dot(a0, b0);
            s0_1 += dot(a0, b1);
            s0_2 += dot(a0, b2);
        }
        let bias0 = param[48u + min(col / 4u + 0u, 1u - 1u)];
        for (var turn = 0u; turn < min(1u, unknown); turn++) {
            {
                let v = vec4(s0_0, s0_1, s0_2, 0.0) + bias0;
                memory[24u + (row + turn) * 1u + (col + 0u) / 4u] = select(vec4(0.0), v, vec4(col + 0u) + vec4(0u, 1u, 2u, 3u) < vec4(3u));
            }
        }
    }
    barrier();
}

fn backward(lane: u32, first: u32, start: u32, fresh: bool) {
    for (var round = 0u; round < turns(1u); round++) {
        let tile = lane + round * 8u;
        if tile < 2u {
            let row = tile % 1u * 4u;
            let col = tile / 1u * 1u;
            var g0_0 = vec4(0.0);
            var g1_0 = vec4(0.0);
            var g2_0 = vec4(0.0);
            var g3_0 = vec4(0.0);
            var bias0 = vec4(0.0);
            for (var r = 0u; r < turns(8u); r += 1u) {
                {
                    let x0 = memory[8u + (r + 0u) * 2u + min(col + 0u, 2u - 1u)];
                    let d0 = memory[32u + (r) * 1u + min(row / 4u + 0u, 1u - 1u)];
                    g0_0 += d0[0] * x0;
                    g1_0 += d0[1] * x0;
                    g2_0 += d0[2] * x0;
                    g3_0 += d0[3] * x0;
                    bias0 += d0;
                }
            }
            for (var turn = 0u; turn < min(4u, unknown); turn++) {
                if row + turn < 3u {
                    let at = start + 128u + (row + turn) * 8u + col * 4u;
                    if col * 4u + 0u < 8u { partial[at / 4u + 0u] = select(partial[at / 4u + 0u], vec4(0.0), fresh) + g0_0; }
                }
                g0_0 = g1_0;
                g1_0 = g2_0;
                g2_0 = g3_0;
            }
            if col == 0u {
                for (var turn = 0u; turn < min(1u, unknown); turn++) {
                    {
                        let at = row / 4u + turn;
                        if at < 1u { partial[(start + 192u) / 4u + at] = select(partial[(start + 192u) / 4u + at], vec4(0.0), fresh) + bias0; }
                    }
                }
            }
        }
    }
    barrier();
    for (var tile = lane; tile < 8u; tile += 8u) {
        let row = tile % 8u * 1u;
        let col = tile / 8u * 8u;
        var s0_0 = vec4(0.0);
        var s0_1 = vec4(0.0);
        for (var n = 0u; n < turns(1u); n++) {
            let b0_0 = param[(128u + min(n * 4u + 0u, 3u - 1u) * 8u + min(col / 4u + 0u, 2u - 1u) * 4u) / 4u];
            let b0_1 = param[(128u + min(n * 4u + 0u, 3u - 1u) * 8u + min(col / 4u + 1u, 2u - 1u) * 4u) / 4u];
            let b1_0 = param[(128u + min(n * 4u + 1u, 3u - 1u) * 8u + min(col / 4u + 0u, 2u - 1u) * 4u) / 4u];
            let b1_1 = param[(128u + min(n * 4u + 1u, 3u - 1u) * 8u + min(col / 4u + 1u, 2u - 1u) * 4u) / 4u];
            let b2_0 = param[(128u + min(n * 4u + 2u, 3u - 1u) * 8u + min(col / 4u + 0u, 2u - 1u) * 4u) / 4u];
            let b2_1 = param[(128u + min(n * 4u + 2u, 3u - 1u) * 8u + min(col / 4u + 1u, 2u - 1u) * 4u) / 4u];
            let a0 = memory[32u + (row + 0u) * 1u + n];
            s0_0 += a0[0] * b0_0;
            s0_1 += a0[0] * b0_1;
            s0_0 += a0[1] * b1_0;
            s0_1 += a0[1] * b1_1;
            s0_0 += a0[2] * b2_0;
            s0_1 += a0[2] * b2_1;
        }
        for (var turn = 0u; turn < min(1u, unknown); turn++) {
            {
                let i = (row + turn) * 2u + col / 4u + 0u;
                let saved = memory[8u + i];
                memory[8u + i] = s0_0 * vec4(derivative_0(saved[0]), derivative_0(saved[1]), derivative_0(saved[2]), derivative_0(saved[3]));
            }
            {
                let i = (row + turn) * 2u + col / 4u + 1u;
                let saved = memory[8u + i];
                memory[8u + i] = s0_1 * vec4(derivative_0(saved[0]), derivative_0(saved[1]), derivative_0(saved[2]), derivative_0(saved[3]));
            }
        }
    }
    barrier();
    for (var round = 0u; round < turns(1u); round++) {
        let tile = lane + round * 8u;
        if tile < 2u {
            let row = tile % 2u * 4u;
            let col = tile / 2u * 1u;
            var g0_0 = vec4(0.0);
            var g1_0 = vec4(0.0);
            var g2_0 = vec4(0.0);
            var g3_0 = vec4(0.0);
            var bias0 = vec4(0.0);
            for (var r = 0u; r < turns(8u); r += 1u) {
                {
                    let x0 = memory[0u + (r + 0u) * 1u + min(col + 0u, 1u - 1u)];
                    let d0 = memory[8u + (r) * 2u + min(row / 4u + 0u, 2u - 1u)];
                    g0_0 += d0[0] * x0;
                    g1_0 += d0[1] * x0;
                    g2_0 += d0[2] * x0;
                    g3_0 += d0[3] * x0;
                    bias0 += d0;
                }
            }
            for (var turn = 0u; turn < min(4u, unknown); turn++) {
                if row + turn < 8u {
                    let at = start + 0u + (row + turn) * 2u + col * 4u;
                    if col * 4u + 0u < 2u { partial[(at + 0u) / 4u][(at + 0u) % 4u] = select(partial[(at + 0u) / 4u][(at + 0u) % 4u], 0.0, fresh) + g0_0[0]; }
                    if col * 4u + 1u < 2u { partial[(at + 1u) / 4u][(at + 1u) % 4u] = select(partial[(at + 1u) / 4u][(at + 1u) % 4u], 0.0, fresh) + g0_0[1]; }
                    if col * 4u + 2u < 2u { partial[(at + 2u) / 4u][(at + 2u) % 4u] = select(partial[(at + 2u) / 4u][(at + 2u) % 4u], 0.0, fresh) + g0_0[2]; }
                    if col * 4u + 3u < 2u { partial[(at + 3u) / 4u][(at + 3u) % 4u] = select(partial[(at + 3u) / 4u][(at + 3u) % 4u], 0.0, fresh) + g0_0[3]; }
                }
                g0_0 = g1_0;
                g1_0 = g2_0;
                g2_0 = g3_0;
            }
            if col == 0u {
                for (var turn = 0u; turn < min(1u, unknown); turn++) {
                    {
                        let at = row / 4u + turn;
                        if at < 2u { partial[(start + 64u) / 4u + at] = select(partial[(start + 64u) / 4u + at], vec4(0.0), fresh) + bias0; }
                    }
                }
            }
        }
    }
    barrier();
}
