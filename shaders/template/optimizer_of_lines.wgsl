// Optimizers that take the numbers of an element's row and column, and apply multiplier and decay themselves.
fn formula(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block, element: u32) -> Updated {
    return update(param, grad, state, s, block, lines_of(block, element));
}

fn factor(block: Block) -> f32 {
    return 1.0;
}
