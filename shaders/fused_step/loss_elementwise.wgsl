// The loss of a row of the block, and its gradient with respect to the outputs.
fn row_loss(i: u32, is_active: bool, scale: f32) {
    let own = weight_of_row(i);
    var sum = 0.0;
    for (var col = 0u; col < turns(COLS); col++) {
        let y = score(i, col);
        let t = target_weight(i, col);
        sum += own * keep_nan(y, keep_nan(t, value_loss(y, t)));
        let slope = keep_nan(y, keep_nan(t, gradient_loss(y, t)));
        set_gradient(i, col, select(0.0, scale * own * slope, is_active));
    }
    terms[i] = select(0.0, sum, is_active);
}
