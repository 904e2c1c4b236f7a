// maxout: the largest of each group of pieces neighbours on the axis
struct Hyper {
    pieces: f32,
    dim: f32,
}

// Of two columns the one of the larger number, of equal ones the first; what lies beyond the end is none.
fn better(at: Cell, col: u32, other: u32, end: u32) -> u32 {
    if other >= end {
        return col;
    }
    let is_better = input(at, other) > input(at, col) || (is_nan(input(at, other)) && !is_nan(input(at, col)));
    return select(col, other, is_better);
}

// The first largest of the pieces that give output column col.
fn best(at: Cell, col: u32) -> u32 {
    let pieces = params.cols / params.out_cols;
    let end = (col + 1u) * pieces;
    var best = col * pieces;
    for (var piece = best + 1u; piece < end; piece += 4u) {
        best = better(at, better(at, best, piece, end), piece + 1u, end);
        best = better(at, better(at, best, piece + 2u, end), piece + 3u, end);
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
