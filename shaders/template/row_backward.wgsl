@group(0) @binding(2) var<storage, read> saved: array<f32>;
@group(0) @binding(3) var<storage, read> grad_out: array<f32>;
@group(0) @binding(4) var<storage, read_write> grad_in: array<f32>;

fn value(i: u32) -> f32 {
    return saved[i];
}

fn upstream(i: u32) -> f32 {
    return grad_out[i];
}

fn store(row: Row, col: u32, totals: Totals) {
    if col < row.cols {
        let i = place(row, col);
        grad_in[i] = gradient(i, totals);
    }
}

fn run_row(row: Row) {
    let totals = row_totals(row);
    for (var col = row.first; col < row.cols; col += 4u * params.lanes) {
        store(row, col, totals);
        store(row, col + params.lanes, totals);
        store(row, col + 2u * params.lanes, totals);
        store(row, col + 3u * params.lanes, totals);
    }
}
