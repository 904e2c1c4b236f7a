// hard_sigmoid: clamp(slope * x + offset, 0, 1)
struct Hyper {
    slope: f32,
    offset: f32,
}

fn forward(x: f32) -> f32 {
    return keep_nan(x, clamp(params.hyper.slope * x + params.hyper.offset, 0.0, 1.0));
}

fn derivative(x: f32) -> f32 {
    let z = params.hyper.slope * x + params.hyper.offset;
    return select(params.hyper.slope, 0.0, z <= 0.0 || z >= 1.0);
}
