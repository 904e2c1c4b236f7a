// The lanes of a row are a whole workgroup: its subgroups find their results without barriers, and then each adds up those
// of all. Neither their size nor which lanes they have matters.
fn sum_group(value: f32, lane: u32) -> f32 {
    let first = subgroupExclusiveAdd(1u);
    let own = subgroupAdd(value);
    lanes[lane] = select(0.0, own, first == 0u);
    workgroupBarrier();
    let step = subgroupAdd(1u);
    var total = 0.0;
    for (var i = first; i < 256u; i += step) {
        total += lanes[i];
    }
    total = subgroupAdd(total);
    workgroupBarrier();
    return total;
}

fn max_group(value: f32, lane: u32) -> f32 {
    lanes[lane] = subgroupMax(value);
    workgroupBarrier();
    let step = subgroupAdd(1u);
    var top = LOWEST;
    for (var i = subgroupExclusiveAdd(1u); i < 256u; i += step) {
        top = max(top, lanes[i]);
    }
    top = subgroupMax(top);
    workgroupBarrier();
    return top;
}
