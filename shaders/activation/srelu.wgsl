// srelu: tl + al (x - tl) if x <= tl, tr + ar (x - tr) if x >= tr, else x; tl, al, tr, ar learned per column
struct Hyper {
    left_threshold: f32,
    left_slope: f32,
    right_threshold: f32,
    right_slope: f32,
}

// p: left threshold, left slope, right threshold, right slope.
fn forward(x: f32, p: vec4<f32>) -> f32 {
    let left = select(x, p.x + p.y * (x - p.x), x <= p.x);
    return select(left, p.z + p.w * (x - p.z), x >= p.z);
}

fn derivative(x: f32, p: vec4<f32>) -> f32 {
    return select(select(1.0, p.y, x <= p.x), p.w, x >= p.z);
}

fn sensitivity(x: f32, p: vec4<f32>) -> vec4<f32> {
    let left = select(vec2(0.0), vec2(1.0 - p.y, x - p.x), x <= p.x && x < p.z);
    let right = select(vec2(0.0), vec2(1.0 - p.w, x - p.z), x >= p.z);
    return vec4(left, right);
}
