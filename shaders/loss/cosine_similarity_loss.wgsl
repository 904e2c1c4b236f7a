// cosine_similarity_loss: 1 - y t / (max(|y|, eps) max(|t|, eps)) per row
struct Hyper {
    eps: f32,
}

fn accumulate(y: f32, row: u32, col: u32, top: f32) -> Sums {
    let t = target_weight(row, col);
    return Sums(y * t, y * y, t * t, 0.0);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    let norms = max(sqrt(sums.yz), vec2(params.hyper.eps));
    return 1.0 - sums.x / (norms.x * norms.y);
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let own = sqrt(sums.y);
    let norms = max(vec2(own, sqrt(sums.z)), vec2(params.hyper.eps));
    let cosine = sums.x / (norms.x * norms.y);
    // Below eps the norm is constant.
    let turn = select(0.0, cosine * x / (norms.x * norms.x), own > params.hyper.eps);
    return turn - target_weight(row, col) / (norms.x * norms.y);
}
