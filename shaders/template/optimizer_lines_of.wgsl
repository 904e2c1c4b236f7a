// The numbers of an element's row and column, in a vector both its own, and the mean of a matrix's rows.
struct Lines {
    row: f32,
    col: f32,
    mean: f32,
}

fn lines_of(block: Block, element: u32) -> Lines {
    // Padding takes those of the last element.
    let i = min(place(block, element), block_len(block) - 1u);
    if block.cols == 0u {
        let own = lines[block.lines + i];
        return Lines(own, own, 1.0);
    }
    let row = lines[block.lines + i / block.cols];
    let col = lines[block.lines + block.rows + i % block.cols];
    return Lines(row, col, lines[block.lines + block.rows + block.cols]);
}
