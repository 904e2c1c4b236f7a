fn listed(row: u32, place: u32) -> u32 {
    return target_list[at(row, place)];
}

// How often a class is listed.
fn times_listed(row: u32, col: u32) -> u32 {
    var times = 0u;
    for (var place = 0u; place < params.cols && listed(row, place) < params.cols; place++) {
        times += select(0u, 1u, listed(row, place) == col);
    }
    return times;
}

fn excess(row: u32, wrong: u32, right: u32) -> f32 {
    return 1.0 - prediction_at(row, right) + prediction_at(row, wrong);
}

// What a class that is not listed adds, and with how many listed ones it is within the margin.
fn accumulate(x: f32, row: u32, col: u32, top: f32) -> Sums {
    var sums = Sums();
    if times_listed(row, col) > 0u {
        return sums;
    }
    for (var place = 0u; place < params.cols && listed(row, place) < params.cols; place++) {
        let e = excess(row, col, listed(row, place));
        sums += Sums(max(0.0, e), select(0.0, 1.0, e > 0.0), 0.0, 0.0);
    }
    return sums;
}

fn term(row: u32, top: f32, sums: Sums) -> f32 {
    return sums.x / f32(max(params.cols, 1u));
}

fn slope(x: f32, row: u32, col: u32, top: f32, sums: Sums) -> f32 {
    let times = times_listed(row, col);
    if times == 0u {
        return accumulate(x, row, col, top).y / f32(params.cols);
    }
    // All within the margin, less those of the list, each once.
    var within = 0.0;
    for (var wrong = 0u; wrong < params.cols; wrong++) {
        within += select(0.0, 1.0, excess(row, wrong, col) > 0.0);
    }
    for (var place = 0u; place < params.cols && listed(row, place) < params.cols; place++) {
        let right = listed(row, place);
        let counted = excess(row, right, col) > 0.0;
        within -= select(0.0, 1.0 / f32(times_listed(row, right)), counted);
    }
    return -f32(times) * within / f32(params.cols);
}
