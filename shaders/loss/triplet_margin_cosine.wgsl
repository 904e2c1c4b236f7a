// triplet_margin_cosine: max(0, cos(a, n) - cos(a, p) + margin) per row; swap takes cos(p, n) if that is more
struct Hyper {
    margin: f32,
    eps: f32,
    swap: f32,
}

// The products a p, a n, p n, and the squares of a, p, n.
fn accumulate(x: f32, row: u32, col: u32, top: f32) -> Sums {
    let a = vector(0u, row, col);
    let p = vector(1u, row, col);
    let n = vector(2u, row, col);
    return Sums(vec4(a * p, a * n, p * n, 0.0), vec4(a * a, p * p, n * n, 0.0));
}

fn norm(sums: Sums, input: u32) -> f32 {
    return max(sqrt(sums[1][input]), params.hyper.eps);
}

fn cosines(sums: Sums) -> vec3<f32> {
    let a = norm(sums, 0u);
    let p = norm(sums, 1u);
    let n = norm(sums, 2u);
    return sums[0].xyz / vec3(a * p, a * n, p * n);
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return triplet(vec3(1.0) - cosines(sums), params.hyper.margin, params.hyper.swap != 0.0).w;
}

// The derivative of 1 - cos(a, b) by a.
fn direction(row: u32, col: u32, a: u32, b: u32, cosine: f32, sums: Sums) -> f32 {
    let own = norm(sums, a);
    let turn = select(0.0, cosine * vector(a, row, col) / (own * own), sqrt(sums[1][a]) > params.hyper.eps);
    return turn - vector(b, row, col) / (own * norm(sums, b));
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let c = cosines(sums);
    let weights = triplet(vec3(1.0) - c, params.hyper.margin, params.hyper.swap != 0.0);
    switch params.input {
        case 0u: {
            return weights.x * direction(row, col, 0u, 1u, c.x, sums) + weights.y * direction(row, col, 0u, 2u, c.y, sums);
        }
        case 1u: {
            return weights.x * direction(row, col, 1u, 0u, c.x, sums) + weights.z * direction(row, col, 1u, 2u, c.z, sums);
        }
        default: {
            return weights.y * direction(row, col, 2u, 0u, c.y, sums) + weights.z * direction(row, col, 2u, 1u, c.z, sums);
        }
    }
}
