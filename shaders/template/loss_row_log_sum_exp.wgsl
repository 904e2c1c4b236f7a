fn row_statistics(row: u32, lane: u32) -> Row {
    let base = row * params.cols;
    var top = LOWEST;
    var weight = 0.0;
    for (var col = lane; col < params.cols; col += 64u) {
        top = max(top, prediction[base + col]);
        weight += target_weight(row, col);
    }
    top = max_lanes(top, lane, 64u);
    weight = sum_lanes(weight, lane, 64u);
    var sum = 0.0;
    for (var col = lane; col < params.cols; col += 64u) {
        sum += safe_exp(prediction[base + col] - top);
    }
    return Row(top, sum_lanes(sum, lane, 64u), weight);
}
