fn upstream(i: u32) -> f32 {
    return 0.0;
}

fn store(row: Row, col: u32, statistics: Statistics) {
    if col < row.cols {
        let i = place(row, col);
        y[i] = result(i, col, statistics);
    }
}

fn run_row(row: Row) {
    let statistics = row_statistics(row);
    for (var col = row.first; col < row.cols; col += 4u * params.lanes) {
        store(row, col, statistics);
        store(row, col + params.lanes, statistics);
        store(row, col + 2u * params.lanes, statistics);
        store(row, col + 3u * params.lanes, statistics);
    }
}
