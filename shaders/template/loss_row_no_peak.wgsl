const START = 0.0;

fn raised(top: f32, x: vec4<f32>, row: u32, cols: vec4<u32>, end: u32) -> f32 {
    return top;
}

fn raise(sums: Sums, old: f32, top: f32) -> Sums {
    return sums;
}

fn row_top(own: f32, lane: u32) -> f32 {
    return own;
}
