// santa_e and santa_sss: one step of the thermostat, by Euler's scheme or by symmetric splitting
struct Scalars {
    rate: f32,
    sigma: f32,
    square_weight: f32,
    lambda: f32,
    start_root: f32,
    heat: f32,
    explores: f32,
    least: f32,
    splits: f32,
    c: f32,
}

fn away_from_zero(x: f32, least: f32) -> f32 {
    return with_sign_of(x, max(abs(x), least));
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block, noise: vec2<f32>) -> Updated {
    let square = s.sigma * state.x + s.square_weight * grad * grad;
    if is_zero(square) {
        return Updated(0.0, state);
    }
    let scale = 1.0 / sqrt(s.lambda + sqrt(square));
    let is_first = is_zero(state.x);
    let old_scale = select(1.0 / sqrt(s.lambda + sqrt(state.x)), scale, is_first);
    let rate = block.multiplier * s.rate;
    let heat = block.multiplier * s.heat;
    let root = sqrt(block.multiplier) * s.start_root;
    let old = select(state.z, root * noise.y, is_first);
    let splits = s.splits == 1.0;
    // How much of the friction's step comes before the kick; the rest after it.
    let factor = select(0.0, select(1.0, 0.5, splits), s.explores == 1.0);
    var friction = select(state.y, root * s.c, is_first) + factor * (old * old - heat);
    let damping = select(1.0 - friction, safe_exp(-0.5 * friction), splits);
    var momentum = damping * old - rate * scale * grad;
    if s.explores == 1.0 {
        momentum += heat * (1.0 - old_scale / scale) / away_from_zero(old, s.least)
            + sqrt(2.0 * heat * old_scale) * noise.x;
    }
    if splits {
        momentum *= damping;
        friction += factor * (momentum * momentum - heat);
        return Updated(-0.5 * scale * (old + momentum), vec4(square, friction, momentum, 0.0));
    }
    return Updated(-scale * momentum, vec4(square, friction, momentum, 0.0));
}
