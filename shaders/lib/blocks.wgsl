// A sum per 1024 elements: a group of lanes takes a block, each lane four elements a turn.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let step = params.lanes;
    let block = flat_workgroup(group, groups) * (256u / step) + lane / step;
    let end = min(1024u * block + 1024u, params.len);
    var sum = 0.0;
    for (var i = 1024u * block + lane % step; i < end; i += 4u * step) {
        let near = term_below(end, i) + term_below(end, i + step);
        sum += near + (term_below(end, i + 2u * step) + term_below(end, i + 3u * step));
    }
    let total = sum_group(sum, lane);
    // The sum of nothing is written, too.
    if lane % step == 0u && (1024u * block < params.len || block == 0u) {
        put_sum(block, total);
    }
}

fn term_below(end: u32, i: u32) -> f32 {
    if i >= end {
        return 0.0;
    }
    return term(i);
}
