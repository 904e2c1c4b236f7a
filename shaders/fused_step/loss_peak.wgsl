fn peak_of(i: u32) -> f32 {
    var top = -3.4028234e38;
    for (var col = 0u; col < turns(COLS); col++) {
        top = max(top, candidate_loss(score(i, col), i, col));
    }
    return top;
}
