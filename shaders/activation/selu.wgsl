// selu: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * (exp(x) - 1))
const SCALE = 1.0507009873554805;
const ALPHA = 1.6732632423543772;

fn forward(x: f32) -> f32 {
    return SCALE * select(ALPHA * expm1(x), x, x > 0.0);
}

fn derivative(x: f32) -> f32 {
    return SCALE * select(ALPHA * safe_exp(x), 1.0, x > 0.0);
}
