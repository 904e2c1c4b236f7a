// triplet_margin: max(0, |a - p + eps|_p - |a - n + eps|_p + margin) per row; swap takes |p - n + eps|_p if that is
// less
struct Hyper {
    margin: f32,
    p: f32,
    eps: f32,
    swap: f32,
}

fn difference(row: u32, col: u32, a: u32, b: u32) -> f32 {
    return vector(a, row, col) - vector(b, row, col) + params.hyper.eps;
}

fn power(x: f32, exponent: f32) -> f32 {
    if exponent == 1.0 {
        return x;
    }
    return select(powp(x, exponent), x * x, exponent == 2.0);
}

fn root(x: f32) -> f32 {
    if params.hyper.p == 1.0 {
        return x;
    }
    return select(powp(x, 1.0 / params.hyper.p), sqrt(x), params.hyper.p == 2.0);
}

fn accumulate(x: f32, row: u32, col: u32, top: f32) -> Sums {
    let p = params.hyper.p;
    let ap = power(abs(difference(row, col, 0u, 1u)), p);
    let an = power(abs(difference(row, col, 0u, 2u)), p);
    let pn = power(abs(difference(row, col, 1u, 2u)), p);
    return Sums(ap, an, pn, 0.0);
}

fn distances(sums: Sums) -> vec3<f32> {
    return vec3(root(sums.x), root(sums.y), root(sums.z));
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return triplet(distances(sums), params.hyper.margin, params.hyper.swap != 0.0).w;
}

// The derivative of |a - b + eps|_p by a; at distance 0 there is no direction.
fn direction(row: u32, col: u32, a: u32, b: u32, distance: f32) -> f32 {
    let d = difference(row, col, a, b);
    let steepness = sign_of(d) * powp(abs(d) / max(distance, 1e-37), params.hyper.p - 1.0);
    return select(steepness, 0.0, distance == 0.0);
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let d = distances(sums);
    let weights = triplet(d, params.hyper.margin, params.hyper.swap != 0.0);
    var total = 0.0;
    if params.input != 2u && weights.x != 0.0 {
        total += select(-1.0, 1.0, params.input == 0u) * weights.x * direction(row, col, 0u, 1u, d.x);
    }
    if params.input != 1u && weights.y != 0.0 {
        total += select(-1.0, 1.0, params.input == 0u) * weights.y * direction(row, col, 0u, 2u, d.y);
    }
    if params.input != 0u && weights.z != 0.0 {
        total += select(-1.0, 1.0, params.input == 1u) * weights.z * direction(row, col, 1u, 2u, d.z);
    }
    return total;
}
