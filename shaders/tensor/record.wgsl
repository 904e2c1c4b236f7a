// Ends a step: its recorded values go to the ring, and the counter moves on. Nothing else runs beside it.
struct Params {
    count: u32,
    capacity: u32,
    unused: vec2<u32>,
    // Where in scalars each figure is.
    places: array<vec4<u32>, 4>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> steps: Steps;
@group(0) @binding(2) var<storage, read> scalars: array<f32>;
@group(0) @binding(3) var<storage, read_write> ring: array<array<f32, 16>>;

@compute @workgroup_size(1)
fn main() {
    let row = steps.counter % params.capacity;
    // Mesa's lavapipe unrolls a loop that ends at a uniform number by compiling the kernel anew for each dispatch.
    let count = min(params.count, arrayLength(&scalars));
    for (var i = 0u; i < count; i++) {
        ring[row][i] = scalars[params.places[i / 4u][i % 4u]];
    }
    steps.counter += 1u;
}
