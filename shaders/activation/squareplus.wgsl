// squareplus: (x + sqrt(x^2 + b)) / 2
struct Hyper {
    b: f32,
}

// The value and its derivative, scaled by the larger of |x| and sqrt(b) so that no square overflows. For negative x the
// sum x + sqrt(x^2 + b) cancels, but it equals b / (sqrt(x^2 + b) - x), which does not.
fn parts(x: f32) -> vec2<f32> {
    let side = sqrt(params.hyper.b);
    let most = max(max(abs(x), side), 1e-30);
    let ratio = min(abs(x), side) / min(most, 3e38);
    let root = sqrt(1.0 + ratio * ratio);
    // 1 at the infinities, too.
    let near = select(abs(x) / most, 1.0, abs(x) > side);
    let above = 0.5 * (near + root);
    let below = 0.5 * side * (side / most / (near + root));
    let value = select(below, most * above, x >= 0.0);
    let slope = select(below / most, above, x >= 0.0) / root;
    return vec2(keep_nan(x, value), keep_nan(x, slope));
}

fn forward(x: f32) -> f32 {
    return parts(x).x;
}

fn derivative(x: f32) -> f32 {
    return parts(x).y;
}
