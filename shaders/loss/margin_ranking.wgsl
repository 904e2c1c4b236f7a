// margin_ranking: max(0, margin - t (a - b)), t = 1 or -1
struct Hyper {
    margin: f32,
}

fn value(a: f32, b: f32, t: f32) -> f32 {
    return max(0.0, params.hyper.margin - t * (a - b));
}

fn gradient(a: f32, b: f32, t: f32) -> vec2<f32> {
    let slope = select(0.0, t, params.hyper.margin - t * (a - b) > 0.0);
    return vec2(-slope, slope);
}
