// crelu: max(0, x), then max(0, -x): doubles the axis
struct Hyper {
    dim: f32,
}

fn part(x: f32) -> f32 {
    return select(x, 0.0, x <= 0.0);
}

fn forward(at: Cell) -> f32 {
    if at.col < params.cols {
        return part(input(at, at.col));
    }
    return part(-input(at, at.col - params.cols));
}

fn backward(at: Cell) -> f32 {
    let x = input(at, at.col);
    let below = select(0.0, -upstream(at, at.col + params.cols), x < 0.0);
    return keep_nan(x, select(below, upstream(at, at.col), x > 0.0));
}
