// A row's largest score, or least if that is larger.
fn score_at(row: Row, col: u32) -> f32 {
    if col >= row.cols {
        return LOWEST;
    }
    let i = place(row, col);
    return score(value(i), i);
}

fn row_top(row: Row, least: f32) -> f32 {
    var top = least;
    for (var col = row.first; col < row.cols; col += 4u * params.lanes) {
        let near = max(score_at(row, col), score_at(row, col + params.lanes));
        let far = max(score_at(row, col + 2u * params.lanes), score_at(row, col + 3u * params.lanes));
        top = max(top, max(near, far));
    }
    return max_row(top, row);
}
