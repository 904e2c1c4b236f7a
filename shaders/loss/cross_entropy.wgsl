struct Hyper {
    label_smoothing: f32,
}

fn smooth_weight(row: Row, t: f32) -> f32 {
    let smoothing = params.hyper.label_smoothing;
    return (1.0 - smoothing) * t + smoothing / f32(params.cols);
}

fn term(x: f32, row: Row, t: f32) -> f32 {
    return smooth_weight(row, t) * (safe_log(row.sum) - (x - row.top));
}

fn slope(x: f32, row: Row, t: f32) -> f32 {
    let smoothing = params.hyper.label_smoothing;
    let total = (1.0 - smoothing) * row.weight + smoothing;
    return safe_exp(x - row.top) / row.sum * total - smooth_weight(row, t);
}
