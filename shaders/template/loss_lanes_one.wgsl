fn sum_row(value: Sums, lane: u32) -> Sums {
    return value;
}
