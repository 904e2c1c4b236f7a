// Optimizers that look at one element at a time.
fn formula(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block, element: u32) -> Updated {
    return update(param, grad, state, s);
}

fn factor(block: Block) -> f32 {
    return block.multiplier;
}
