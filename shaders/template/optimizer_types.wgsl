// The settings of 64 parameters of one tensor, and where its sums pass through.
struct Block {
    multiplier: f32,
    decays: f32,
    l1: f32,
    l2: f32,
    // Two sums over the tensor.
    norms: vec2<f32>,
    // The block's share of them.
    share: vec2<f32>,
    // How many of the 64 are the tensor's, the rest padding.
    count: f32,
    unused: f32,
}

// What an update formula gives: the amount to subtract, and the new state.
struct Updated {
    delta: f32,
    state: vec4<f32>,
}
