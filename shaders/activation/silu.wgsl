// silu: x / (1 + exp(-beta * x))
struct Hyper {
    beta: f32,
}

fn forward(x: f32) -> f32 {
    return times(x, sigmoid(params.hyper.beta * x));
}

fn derivative(x: f32) -> f32 {
    let z = params.hyper.beta * x;
    // Bounded, for an infinite z times 0 would be NaN.
    return sigmoid(z) * (1.0 + clamp(z, -1e3, 1e3) * sigmoid(-z));
}

fn second(x: f32) -> f32 {
    let z = params.hyper.beta * x;
    let right = sigmoid(z);
    let left = sigmoid(-z);
    return params.hyper.beta * (right * left) * (2.0 + clamp(z, -1e3, 1e3) * (left - right));
}
