// The settings of 64 parameters of one tensor, and where its sums pass through.
struct Block {
    multiplier: f32,
    decays: f32,
    l1: f32,
    l2: f32,
    // Two sums over the tensor.
    norms: vec2<f32>,
    // The block's part of them.
    partial_sums: vec2<f32>,
    // The sides of a matrix; a vector has as many rows as elements and no columns, and what has no gradient no rows either.
    rows: u32,
    cols: u32,
    // The number of the block in its tensor.
    number: u32,
    // Where the numbers of the tensor's rows and columns begin.
    lines: u32,
}

// The place in its tensor of an element of the arena.
fn place(block: Block, element: u32) -> u32 {
    return 64u * block.number + element % 64u;
}

// How many elements the block's tensor has; those beyond are padding.
fn block_len(block: Block) -> u32 {
    return block.rows * max(block.cols, 1u);
}

// Whether the block's tensor takes part in what happens to gradients and parameters.
fn has_gradient(block: Block) -> bool {
    return block.rows > 0u;
}

// What an update formula gives: the amount to subtract, and the new state.
struct Updated {
    delta: f32,
    state: vec4<f32>,
}

// The running mean of a gradient, and that of its square, as Adam and its relatives keep them.
fn first_moment(old: f32, grad: f32, one_minus_beta: f32) -> f32 {
    return old + one_minus_beta * (grad - old);
}

fn second_moment(old: f32, grad: f32, beta: f32, one_minus_beta: f32) -> f32 {
    return beta * old + one_minus_beta * grad * grad;
}
