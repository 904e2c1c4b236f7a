// The first of a row's largest scores, marked, or of its NaNs, not marked.
const MARK: u32 = 0x80000000u;

var<workgroup> places: array<u32, 256>;

fn equal_at(row: Row, col: u32, top: f32) -> u32 {
    let x = score_at(row, col);
    let taken = select(0xffffffffu, MARK | col, x == top);
    return select(0xffffffffu, select(taken, col, is_nan(x)), col < row.cols);
}

// 1 at that place and 0 elsewhere; all NaN in a row with a NaN.
fn chosen(best: u32, col: u32) -> f32 {
    return select(select(0.0, 1.0, best == (MARK | col)), not_a_number(), best < MARK);
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
