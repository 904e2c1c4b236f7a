fn row_statistics(row: u32, lane: u32) -> Row {
    return Row(0.0, 1.0, 1.0);
}
