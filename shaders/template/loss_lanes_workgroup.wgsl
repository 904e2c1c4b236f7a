var<workgroup> row_sums: array<Sums, 256>;

// The sum over the invocations of a row, by a fixed tree.
fn sum_row(value: Sums, lane: u32) -> Sums {
    let first = lane % params.lanes;
    row_sums[lane] = value;
    workgroupBarrier();
    for (var stride = params.lanes / 2u; stride > 0u; stride = stride / 2u) {
        if first < stride {
            row_sums[lane] = row_sums[lane] + row_sums[lane + stride];
        }
        workgroupBarrier();
    }
    return row_sums[lane - first];
}
