var<workgroup> row_sums: array<Sums, 256>;

// The sum over a whole workgroup: its subgroups add up by themselves, then each adds up the sums of all.
fn sum_row(value: Sums, lane: u32) -> Sums {
    let first = subgroupExclusiveAdd(1u);
    let own = subgroupAdd(value);
    row_sums[lane] = select(Sums(), own, first == 0u);
    workgroupBarrier();
    let step = subgroupAdd(1u);
    var total = Sums();
    for (var i = first; i < 256u; i += step) {
        total += row_sums[i];
    }
    return subgroupAdd(total);
}
