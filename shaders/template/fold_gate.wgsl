// The first half times a function of the second.
fn forward(at: Cell) -> f32 {
    return input(at, at.col) * gate(input(at, at.col + params.out_cols)).x;
}

fn backward(at: Cell) -> f32 {
    let half = params.out_cols;
    if at.col < half {
        return upstream(at, at.col) * gate(input(at, at.col + half)).x;
    }
    return upstream(at, at.col - half) * input(at, at.col - half) * gate(input(at, at.col)).y;
}
