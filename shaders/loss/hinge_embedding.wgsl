// hinge_embedding: x if t = 1, max(0, margin - x) if t = -1
struct Hyper {
    margin: f32,
}

// As PyTorch, a target that is neither 1 nor -1 gives the sum of both cases.
fn value(x: f32, t: f32) -> f32 {
    let apart = select(max(0.0, params.hyper.margin - x), 0.0, t == 1.0);
    return apart + select(x, 0.0, t == -1.0);
}

fn gradient(x: f32, t: f32) -> f32 {
    let apart = select(0.0, -1.0, t != 1.0 && params.hyper.margin - x > 0.0);
    return apart + select(1.0, 0.0, t == -1.0);
}
