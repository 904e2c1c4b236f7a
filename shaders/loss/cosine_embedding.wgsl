// cosine_embedding: 1 - cos(a, b) if t = 1, max(0, cos(a, b) - margin) if t = -1, per row
struct Hyper {
    margin: f32,
}

fn accumulate(a: f32, row: u32, col: u32, top: f32) -> Sums {
    let b = second[at(row, col)];
    return Sums(a * b, a * a, b * b, 0.0);
}

// The squared norms with PyTorch's constant.
fn squares(sums: Sums) -> vec2<f32> {
    return sums.yz + vec2(1e-12);
}

fn cosine_of(sums: Sums) -> f32 {
    return sums.x / sqrt(squares(sums).x * squares(sums).y);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    let cosine = cosine_of(sums);
    let apart = select(0.0, max(0.0, cosine - params.hyper.margin), target_values[row] == -1.0);
    return select(apart, 1.0 - cosine, target_values[row] == 1.0);
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let cosine = cosine_of(sums);
    let apart = select(0.0, 1.0, target_values[row] == -1.0 && cosine > params.hyper.margin);
    let direction = select(apart, -1.0, target_values[row] == 1.0);
    let both = vec2(x, second[at(row, col)]);
    let own = both[params.input];
    let other = both[1u - params.input];
    let norms = sqrt(squares(sums).x * squares(sums).y);
    return direction * (other / norms - cosine * own / squares(sums)[params.input]);
}
