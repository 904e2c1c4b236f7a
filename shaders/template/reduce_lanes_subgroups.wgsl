var<workgroup> keys: array<u32, 256>;

fn max_keys(key: u32, lane: u32) -> u32 {
    keys[lane] = subgroupMax(key);
    workgroupBarrier();
    let step = subgroupAdd(1u);
    var top = 0u;
    for (var i = subgroupExclusiveAdd(1u); i < 256u; i += step) {
        top = max(top, keys[i]);
    }
    top = subgroupMax(top);
    workgroupBarrier();
    return top;
}
