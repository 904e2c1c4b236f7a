// How many of each 1024 gradients are NaN or infinite.
struct Params {
    len: u32,
    // A power of two up to 256.
    lanes: u32,
    // Where in partial the first count goes.
    offset: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> grad: array<u32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;

fn term(i: u32) -> f32 {
    // By bits: a shader may take NaN and infinities for impossible.
    return select(0.0, 1.0, (grad[i] & 0x7f800000u) == 0x7f800000u);
}

fn put_sum(block: u32, total: f32) {
    partial[params.offset + block] = total;
}
