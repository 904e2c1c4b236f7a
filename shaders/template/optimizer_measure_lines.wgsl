fn terms_of(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block, element: u32) -> vec2<f32> {
    return measure(param, grad, s, block, lines_of(block, element));
}
