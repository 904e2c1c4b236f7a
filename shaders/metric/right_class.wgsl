// Targets that are classes; one that is none is never right.
fn right_class(row: u32, first: u32, lane: u32) -> u32 {
    return min(target_class[row], params.cols);
}
