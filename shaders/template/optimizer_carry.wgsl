// Completes the step's scalars on the device, from numbers carried from step to step.
struct Params {
    // The place of the loss among the scalars.
    loss: u32,
}

struct Carried {
    scalars: Scalars,
    numbers: vec4<f32>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> steps: Steps;
@group(0) @binding(2) var<storage, read> scalars: array<f32>;
@group(0) @binding(3) var<storage, read_write> numbers: vec4<f32>;

@compute @workgroup_size(1)
fn main() {
    let entry = due();
    if !updates() {
        return;
    }
    let next = carry(steps.entries[entry].scalars, scalars[params.loss], numbers);
    steps.entries[entry].scalars = next.scalars;
    numbers = next.numbers;
}
