// Optimizers that keep no state per parameter.

fn load_state(i: u32) -> mat4x4<f32> {
    return mat4x4(vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
}

fn store_state(i: u32, states: mat4x4<f32>) {
}
