// The first of a row's largest scores.
var<workgroup> places: array<u32, 256>;

fn equal_at(row: Row, col: u32, top: f32) -> u32 {
    return select(0xffffffffu, col, col < row.cols && score_at(row, col) == top);
}

fn row_argmax(row: Row, top: f32) -> u32 {
    var best = 0xffffffffu;
    for (var col = row.first; col < row.cols; col += 4u * params.lanes) {
        let near = min(equal_at(row, col, top), equal_at(row, col + params.lanes, top));
        let far = min(equal_at(row, col + 2u * params.lanes, top), equal_at(row, col + 3u * params.lanes, top));
        best = min(best, min(near, far));
    }
    if params.lanes == 1u {
        return best;
    }
    places[row.lane] = best;
    workgroupBarrier();
    let part = row.lane % params.lanes;
    for (var stride = params.lanes / 2u; stride > 0u; stride = stride / 2u) {
        if part < stride {
            places[row.lane] = min(places[row.lane], places[row.lane + stride]);
        }
        workgroupBarrier();
    }
    return places[row.lane - part];
}
