// rprop: the step grows by eta_plus while g keeps its sign and shrinks by eta_minus when it turns; p -= sign(g) step
struct Scalars {
    rate: f32,
    eta_minus: f32,
    eta_plus: f32,
    step_min: f32,
    step_max: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let size = select(state.y, block.multiplier * s.rate, state.y < 0.0);
    // By signs, for the product of two small gradients could vanish.
    let turn = sign_of(grad) * sign_of(state.x);
    let factor = select(select(1.0, s.eta_minus, turn < 0.0), s.eta_plus, turn > 0.0);
    let step = clamp(size * factor, s.step_min, s.step_max);
    let kept = select(grad, 0.0, turn < 0.0);
    return Updated(sign_of(kept) * step, vec4(kept, step, 0.0, 0.0));
}
