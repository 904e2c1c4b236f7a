// adafactor: w = t^beta2_decay; rows and columns: r = lerp(r, mean g^2, w); v = r_row r_col / max(mean of rows, eps1),
// in a vector v = lerp(v, g^2, w); u = g / sqrt(max(v, eps1^2)); p -= min(lr, 1 / sqrt(t)) max(eps2, rms(p)) u /
// max(1, rms(u) / d)
struct Scalars {
    rate: f32,
    most: f32,
    weight: f32,
    eps1: f32,
    least: f32,
    eps2: f32,
    d: f32,
}

fn term(grad: f32, row: f32, col: f32, s: Scalars) -> f32 {
    return grad * grad;
}

fn join(a: f32, b: f32) -> f32 {
    return a + b;
}

fn settle(old: f32, total: f32, len: f32, s: Scalars) -> f32 {
    return old + s.weight * (total / len - old);
}

fn scaled(grad: f32, s: Scalars, block: Block, lines: Lines) -> f32 {
    let factored = lines.row / at_least(lines.mean, s.eps1) * lines.col;
    let square = select(factored, lines.row, block.cols == 0u);
    return grad / sqrt(at_least(square, s.least));
}

fn measure(param: f32, grad: f32, s: Scalars, block: Block, lines: Lines) -> vec2<f32> {
    let direction = scaled(grad, s, block, lines);
    return vec2(param * param, direction * direction);
}

fn update(param: f32, grad: f32, state: vec4<f32>, s: Scalars, block: Block, lines: Lines) -> Updated {
    let root = sqrt(f32(block_len(block)));
    let rate = min(block.multiplier * s.rate, s.most) * larger(sqrt(block.norms.x) / root, s.eps2);
    let direction = scaled(grad, s, block, lines) / larger(sqrt(block.norms.y) / (root * s.d), 1.0);
    return Updated(rate * direction, state);
}
