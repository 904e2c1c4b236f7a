// What every kernel of an optimizer shares.
struct Params {
    len: u32,
    // The number of the segment's first element in the whole network, for random numbers.
    first: u32,
    key0: u32,
    key1: u32,
    // How many times four parameters an invocation updates.
    turns: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> steps: Steps;
@group(0) @binding(3) var<storage, read> grad: array<vec4<f32>>;
