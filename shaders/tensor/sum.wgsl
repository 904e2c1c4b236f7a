// One sum per 1024 elements; run again over its own output until one is left.
struct Params {
    len: u32,
    // A power of two up to 256.
    lanes: u32,
    // Where in y this run's first sum goes.
    offset: u32,
    // 1: sum the squares.
    square: u32,
    // Terms per participating row if the result is to be a mean; 0 for a sum.
    terms_per_row: u32,
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn term(i: u32) -> f32 {
    let v = x[i];
    return select(v, v * v, params.square == 1u);
}

fn put_sum(block: u32, total: f32) {
    let rows = min(params.rows, steps.entries[now()].rows);
    let terms = f32(rows * params.terms_per_row);
    // The mean of no terms is 0, as on the reference.
    y[params.offset + block] = select(total / max(terms, 1.0), total, params.terms_per_row == 0u);
}
