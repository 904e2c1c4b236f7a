// The loss of a row of the block, and its gradient with respect to the outputs.
fn row_loss(i: u32, is_active: bool, scale: f32) {
    let own = weight_of_row(i);
    let top = peak_of(i);
    var sums = Sums();
    for (var col = 0u; col < turns(COLS); col++) {
        let y = score(i, col);
        let part = accumulate_loss(y, i, col, top);
        sums = sums + marked(part, keep_nan(y, target_weight(i, col)));
    }
    let term = keep_nan(mark(sums), term_loss(i, top, sums));
    terms[i] = select(0.0, own * term, is_active);
    for (var col = 0u; col < turns(COLS); col++) {
        let slope = slope_loss(score(i, col), i, col, top, sums);
        set_gradient(i, col, select(0.0, scale * own * keep_nan(mark(sums), slope), is_active));
    }
}
