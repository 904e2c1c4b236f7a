// The L1 and L2 penalties of an arena segment: a partial sum per 1024 parameters, and their part of the gradient.
struct Params {
    len: u32,
    // A power of two up to 256.
    lanes: u32,
    // Where in partial this segment's first sum goes.
    offset: u32,
    // 1: add to the gradient.
    backward: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> blocks: array<Block>;
@group(0) @binding(2) var<storage, read> param: array<f32>;
@group(0) @binding(3) var<storage, read_write> grad: array<f32>;
@group(0) @binding(4) var<storage, read_write> partial: array<f32>;

fn term(i: u32) -> f32 {
    let settings = blocks[i / 64u];
    let p = param[i];
    if params.backward == 1u {
        grad[i] += settings.l1 * sign_of(p) + 2.0 * settings.l2 * p;
    }
    return settings.l1 * abs(p) + settings.l2 * p * p;
}

fn put_sum(block: u32, total: f32) {
    partial[params.offset + block] = total;
}
