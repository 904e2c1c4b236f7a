// Optimizers that keep no state per parameter.

fn load_state(i: u32) -> States {
    return States(vec4(0.0), vec4(0.0), vec4(0.0));
}

fn store_state(i: u32, states: States) {
}
