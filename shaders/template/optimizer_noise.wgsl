// Optimizers that take two normal random numbers for each element, and apply the tensor's multiplier themselves.
fn formula(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block, element: u32) -> Updated {
    let noise = normals(vec2(params.key0, params.key1), steps.counter, params.first + element);
    return update(param, grad, state, s, block, noise);
}

fn factor(block: Block) -> f32 {
    return 1.0;
}
