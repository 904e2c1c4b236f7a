// learned_swish: x / (1 + exp(-b x)), b learned
struct Hyper {
    beta: f32,
    per_channel: f32,
}

fn forward(x: f32, p: vec4<f32>) -> f32 {
    return times(x, sigmoid(p.x * x));
}

fn derivative(x: f32, p: vec4<f32>) -> f32 {
    let z = p.x * x;
    return sigmoid(z) * (1.0 + clamp(z, -1e3, 1e3) * sigmoid(-z));
}

// x^2 times a sigmoid's slope: the slope first, for the square may overflow.
fn sensitivity(x: f32, p: vec4<f32>) -> vec4<f32> {
    let z = p.x * x;
    let slope = sigmoid(z) * sigmoid(-z);
    let c = clamp(x, -3e38, 3e38);
    return vec4(keep_nan(x, (c * slope) * c), 0.0, 0.0, 0.0);
}
