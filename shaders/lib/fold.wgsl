// An axis changes its length: from cols to out_cols, every inner-th element being of one row.
struct Params {
    len: u32,
    cols: u32,
    out_cols: u32,
    inner: u32,
    @align(16) hyper: Hyper,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;

// The column of element i of a tensor whose axis has cols columns, and its row's element 0 in x and in y.
struct Cell {
    col: u32,
    start: u32,
    out_start: u32,
}

fn cell(i: u32, cols: u32) -> Cell {
    let row = i / (cols * params.inner);
    let rest = i % params.inner;
    let col = i / params.inner % cols;
    let size = row * params.inner;
    return Cell(col, size * params.cols + rest, size * params.out_cols + rest);
}

fn input(at: Cell, col: u32) -> f32 {
    return x[at.start + col * params.inner];
}
