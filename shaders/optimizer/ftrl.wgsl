// ftrl: n += g^2; z += g + 2 l2_shrinkage p - (n^-k - (n before)^-k) / lr p; p = (clamp(z, -l1, l1) - z) / (n^-k / lr
// + 2 l2 + beta / lr), k = learning_rate_power
struct Scalars {
    rate: f32,
    power: f32,
    l1: f32,
    l2: f32,
    beta: f32,
    shrinkage: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let rate = block.multiplier * s.rate;
    if rate == 0.0 {
        return Updated(0.0, state);
    }
    let square = grad * grad;
    let sum = state.x + square;
    let root = powp(sum, s.power);
    // The growth of the root, which the difference of two roots would lose to rounding.
    let growth = powp(state.x, s.power) * expm1(s.power * log1p(square / state.x));
    let linear = state.y + grad + 2.0 * s.shrinkage * param - select(growth, root, state.x == 0.0) / rate * param;
    let next = (clamp(linear, -s.l1, s.l1) - linear) / (root / rate + 2.0 * (s.l2 + s.beta / (2.0 * rate)));
    return Updated(param - next, vec4(sum, linear, 0.0, 0.0));
}
