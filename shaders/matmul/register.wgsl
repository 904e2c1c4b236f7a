// c = a b with either operand transposed, for adapters that run on a CPU: 8 x 4 results per invocation straight from
// memory, without workgroup memory or barriers, which cost more than they save there.
struct Params {
    m: u32,
    k: u32,
    n: u32,
    // Strides of a along m and k, of b along k and n.
    a_m: u32,
    a_k: u32,
    b_k: u32,
    b_n: u32,
    // How much of k a workgroup takes; the partial products lie one after the other in c, to be summed.
    depth: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

fn store(part: u32, row: u32, col: u32, values: vec4<f32>) {
    if row >= params.m {
        return;
    }
    for (var j = 0u; j < 4u; j++) {
        if col + j < params.n {
            c[(part * params.m + row) * params.n + col + j] = values[j];
        }
    }
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let across = (params.n + 31u) / 32u;
    let tiles = (params.m + 7u) / 8u * across;
    let index = flat_workgroup(group, groups);
    let part = index / tiles;
    let top = index % tiles / across * 8u;
    let left = index % across * 32u + lane * 4u;
    let begin = part * params.depth;
    // The folded grid can have more workgroups than parts.
    if left >= params.n || begin >= max(params.k, 1u) {
        return;
    }
    let end = min(begin + params.depth, params.k);
    // Rows and columns beyond the edge repeat the last one; their results are not stored.
    let r0 = top * params.a_m;
    let r1 = min(top + 1u, params.m - 1u) * params.a_m;
    let r2 = min(top + 2u, params.m - 1u) * params.a_m;
    let r3 = min(top + 3u, params.m - 1u) * params.a_m;
    let r4 = min(top + 4u, params.m - 1u) * params.a_m;
    let r5 = min(top + 5u, params.m - 1u) * params.a_m;
    let r6 = min(top + 6u, params.m - 1u) * params.a_m;
    let r7 = min(top + 7u, params.m - 1u) * params.a_m;
    let q0 = left * params.b_n;
    let q1 = min(left + 1u, params.n - 1u) * params.b_n;
    let q2 = min(left + 2u, params.n - 1u) * params.b_n;
    let q3 = min(left + 3u, params.n - 1u) * params.b_n;
    var c0 = vec4(0.0);
    var c1 = vec4(0.0);
    var c2 = vec4(0.0);
    var c3 = vec4(0.0);
    var c4 = vec4(0.0);
    var c5 = vec4(0.0);
    var c6 = vec4(0.0);
    var c7 = vec4(0.0);
    for (var inner = begin; inner < end; inner++) {
        let p = inner * params.a_k;
        let q = inner * params.b_k;
        let y = vec4(b[q + q0], b[q + q1], b[q + q2], b[q + q3]);
        c0 += a[p + r0] * y;
        c1 += a[p + r1] * y;
        c2 += a[p + r2] * y;
        c3 += a[p + r3] * y;
        c4 += a[p + r4] * y;
        c5 += a[p + r5] * y;
        c6 += a[p + r6] * y;
        c7 += a[p + r7] * y;
    }
    store(part, top, left, c0);
    store(part, top + 1u, left, c1);
    store(part, top + 2u, left, c2);
    store(part, top + 3u, left, c3);
    store(part, top + 4u, left, c4);
    store(part, top + 5u, left, c5);
    store(part, top + 6u, left, c6);
    store(part, top + 7u, left, c7);
}
