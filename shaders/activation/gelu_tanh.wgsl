// gelu_tanh: x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2
// (1 + tanh(u)) / 2 = sigmoid(2 u), which keeps its accuracy in the tail; 2 u = x (LINEAR + CUBIC x^2).
const LINEAR: f32 = 1.5957691216057308;
const CUBIC: f32 = 0.07135481627260025;
// What rounding takes from the two, for exp multiplies it by the exponent.
const LINEAR_REST: f32 = -4.534068032e-08;
const CUBIC_REST: f32 = 2.398832397e-09;

// sigmoid(2 u) and sigmoid(-2 u); from 10.03 on, where 2 u is EXP_END, one of the two is 0.
fn sides(x: f32) -> vec2<f32> {
    let c = clamp(x, -10.03, 10.03);
    let q = c * c;
    let w = LINEAR + CUBIC * q;
    let z = c * w;
    // What rounding takes from z: the product of the halves of both factors, less the rounded product.
    let a = leading_bits(c);
    let b = leading_bits(w);
    let lost = ((a * b - z) + a * (w - b) + (c - a) * b) + (c - a) * (w - b);
    let rest = lost + c * (LINEAR_REST + CUBIC_REST * q);
    let e = exp_minus(abs(z), select(rest, -rest, z < 0.0));
    let sides = vec2(1.0, e) / (1.0 + e);
    return select(sides, sides.yx, z < 0.0);
}

fn forward(x: f32) -> f32 {
    return keep_nan(x, max(x, -1e4) * sides(x).x);
}

fn derivative(x: f32) -> f32 {
    let near = clamp(x, -20.0, 20.0);
    let s = sides(x);
    return keep_nan(x, s.x * (1.0 + near * s.y * (LINEAR + 3.0 * CUBIC * (near * near))));
}
