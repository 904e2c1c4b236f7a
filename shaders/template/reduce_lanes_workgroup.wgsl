var<workgroup> keys: array<u32, 256>;

fn max_keys(key: u32, lane: u32) -> u32 {
    let part = lane % params.lanes;
    keys[lane] = key;
    workgroupBarrier();
    for (var stride = params.lanes / 2u; stride > 0u; stride = stride / 2u) {
        if part < stride {
            keys[lane] = max(keys[lane], keys[lane + stride]);
        }
        workgroupBarrier();
    }
    let top = keys[lane - part];
    workgroupBarrier();
    return top;
}
