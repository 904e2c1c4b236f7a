// softplus: log(1 + exp(beta * x)) / beta
struct Hyper {
    beta: f32,
}

// Only the bounded part is divided by beta: beta x may overflow where x does not.
fn forward(x: f32) -> f32 {
    return max(x, 0.0) + softplus(-abs(params.hyper.beta * x)) / params.hyper.beta;
}

fn derivative(x: f32) -> f32 {
    return sigmoid(params.hyper.beta * x);
}

fn second(x: f32) -> f32 {
    let z = params.hyper.beta * x;
    return params.hyper.beta * (sigmoid(z) * sigmoid(-z));
}
