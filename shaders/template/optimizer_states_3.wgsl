// Optimizers that keep three state values per parameter.
@group(0) @binding(5) var<storage, read_write> state_a: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> state_b: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> state_c: array<vec4<f32>>;

fn load_state(i: u32) -> mat4x4<f32> {
    return mat4x4(state_a[i], state_b[i], state_c[i], vec4(0.0));
}

fn store_state(i: u32, states: mat4x4<f32>) {
    state_a[i] = states[0];
    state_b[i] = states[1];
    state_c[i] = states[2];
}
