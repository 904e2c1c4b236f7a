// Optimizers that keep three state values per parameter.
@group(0) @binding(5) var<storage, read_write> state_a: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> state_b: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> state_c: array<vec4<f32>>;

fn load_state(i: u32) -> States {
    return States(state_a[i], state_b[i], state_c[i]);
}

fn store_state(i: u32, states: States) {
    state_a[i] = states.a;
    state_b[i] = states.b;
    state_c[i] = states.c;
}
