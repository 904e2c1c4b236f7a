// smorms3: r = 1 / (memory + 1); a = lerp(a, g, r); n = lerp(n, g^2, r); x = a^2 / (n + eps); p -= min(lr, x) g /
// (sqrt(n + eps_root) + eps); memory = 1 + memory (1 - x)
struct Scalars {
    rate: f32,
    eps: f32,
    eps_root: f32,
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block) -> Updated {
    let r = 1.0 / (state.z + 1.0);
    let mean = state.x + r * (grad - state.x);
    let square = state.y + r * (grad * grad - state.y);
    let x = mean * mean / (square + s.eps);
    let delta = min(block.multiplier * s.rate, x) * grad / (sqrt(square + s.eps_root) + s.eps);
    return Updated(delta, vec4(mean, square, 1.0 + state.z * (1.0 - x), 0.0));
}
