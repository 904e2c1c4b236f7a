// prelu: x if x > 0 else w x, w learned
struct Hyper {
    init: f32,
    per_channel: f32,
}

fn forward(x: f32, p: vec4<f32>) -> f32 {
    return select(p.x * x, x, x > 0.0);
}

fn derivative(x: f32, p: vec4<f32>) -> f32 {
    return select(p.x, 1.0, x > 0.0);
}

fn sensitivity(x: f32, p: vec4<f32>) -> vec4<f32> {
    return vec4(select(x, 0.0, x > 0.0), 0.0, 0.0, 0.0);
}
