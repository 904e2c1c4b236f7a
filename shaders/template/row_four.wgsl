// Rows whose numbers lie side by side, their count a multiple of four: read and written by fours.
// How many fours lie in a run: as many runs as fours in one, for a sum's error grows with the number of additions one
// after the other.
fn run_length() -> u32 {
    return u32(ceil(sqrt(f32(params.cols / 4u) / f32(params.lanes)))) * params.lanes;
}
