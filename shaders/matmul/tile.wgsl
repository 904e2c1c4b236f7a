// c = a b with either operand transposed: 32 x 32 results per workgroup, 4 x 4 per invocation, k in blocks of 16 through
// workgroup memory.
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

const SIDE = 32u;
const DEPTH = 16u;

// Rows of four, depth first.
var<workgroup> a_tile: array<vec4<f32>, 128>;
var<workgroup> b_tile: array<vec4<f32>, 128>;

fn load_a(row: u32, inner: u32) -> f32 {
    if row < params.m && inner < params.k {
        return a[row * params.a_m + inner * params.a_k];
    }
    return 0.0;
}

fn load_b(inner: u32, col: u32) -> f32 {
    if col < params.n && inner < params.k {
        return b[inner * params.b_k + col * params.b_n];
    }
    return 0.0;
}

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

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let across = (params.n + SIDE - 1u) / SIDE;
    let tiles = (params.m + SIDE - 1u) / SIDE * across;
    let index = flat_workgroup(group, groups);
    let part = index / tiles;
    let top = index % tiles / across * SIDE;
    let left = index % across * SIDE;
    let begin = part * params.depth;
    // The folded grid can have more workgroups than parts.
    if begin >= max(params.k, 1u) {
        return;
    }
    let end = min(begin + params.depth, params.k);
    let row = lane / 8u;
    let col = lane % 8u;
    var c0 = vec4(0.0);
    var c1 = vec4(0.0);
    var c2 = vec4(0.0);
    var c3 = vec4(0.0);
    for (var depth = begin; depth < end; depth += DEPTH) {
        for (var part = 0u; part < 2u; part++) {
            let place = part * 64u + lane;
            let inner = depth + place / 8u;
            let y = top + place % 8u * 4u;
            let x = left + place % 8u * 4u;
            a_tile[place] = vec4(load_a(y, inner), load_a(y + 1u, inner), load_a(y + 2u, inner), load_a(y + 3u, inner));
            b_tile[place] = vec4(load_b(inner, x), load_b(inner, x + 1u), load_b(inner, x + 2u), load_b(inner, x + 3u));
        }
        workgroupBarrier();
        for (var inner = 0u; inner < DEPTH; inner++) {
            let x = a_tile[inner * 8u + row];
            let y = b_tile[inner * 8u + col];
            c0 += x.x * y;
            c1 += x.y * y;
            c2 += x.z * y;
            c3 += x.w * y;
        }
        workgroupBarrier();
    }
    let y = top + row * 4u;
    let x = left + col * 4u;
    store(part, y, x, c0);
    store(part, y + 1u, x, c1);
    store(part, y + 2u, x, c2);
    store(part, y + 3u, x, c3);
}
