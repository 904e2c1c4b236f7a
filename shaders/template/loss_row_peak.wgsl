// The largest candidate of a row.
var<workgroup> row_tops: array<f32, 256>;

fn row_top(row: u32, first: u32, end: u32, lane: u32) -> f32 {
    var top = LOWEST;
    for (var col = first; col < end; col += 4u * params.lanes) {
        let others = vec3(col) + vec3(1u, 2u, 3u) * params.lanes;
        let last = end - 1u;
        let near = max(candidate(row, col), candidate(row, min(others.x, last)));
        top = max(top, max(near, max(candidate(row, min(others.y, last)), candidate(row, min(others.z, last)))));
    }
    if params.lanes == 1u {
        return top;
    }
    row_tops[lane] = top;
    workgroupBarrier();
    for (var stride = params.lanes / 2u; stride > 0u; stride = stride / 2u) {
        if first < stride {
            row_tops[lane] = max(row_tops[lane], row_tops[lane + stride]);
        }
        workgroupBarrier();
    }
    return row_tops[lane - first];
}
