struct Hyper {
    pieces: f32,
    dim: f32,
}

// The first largest of the pieces that give output column col.
fn best(at: Cell, col: u32) -> u32 {
    let pieces = params.cols / params.out_cols;
    var best = col * pieces;
    for (var piece = best + 1u; piece < (col + 1u) * pieces; piece++) {
        let better = input(at, piece) > input(at, best) || (is_nan(input(at, piece)) && !is_nan(input(at, best)));
        best = select(best, piece, better);
    }
    return best;
}

fn forward(at: Cell) -> f32 {
    return input(at, best(at, at.col));
}

fn backward(at: Cell) -> f32 {
    let col = at.col / (params.cols / params.out_cols);
    return select(0.0, upstream(at, col), best(at, col) == at.col);
}
