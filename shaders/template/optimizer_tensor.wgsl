// Optimizers that take something of the whole tensor, and apply its multiplier and decay themselves.
fn formula(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block, element: u32) -> Updated {
    return update(param, grad, state, s, block);
}

fn factor(block: Block) -> f32 {
    return 1.0;
}
