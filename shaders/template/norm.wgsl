// A line is what is normalized together: a row, or a column of the rows that take part.
struct Hyper {
    eps: f32,
    // 1 where there is one.
    weights: f32,
    biases: f32,
    // Rows that take part for each one of the step.
    per_sample: f32,
    momentum: f32,
}

struct Line {
    mean: f32,
    variance: f32,
    scale: f32,
}

fn own_line(group: u32, lane: u32) -> Row {
    var row = own_row(group, lane);
    if ACROSS_ROWS {
        let samples = min(steps.entries[now()].rows, params.cols);
        row.cols = min(row.cols, samples * u32(params.hyper.per_sample));
    }
    return row;
}

fn distance_at(row: Row, col: u32, mean: f32, power: u32) -> f32 {
    if col >= row.cols {
        return 0.0;
    }
    let distance = x[place(row, col)] - mean;
    return select(distance, distance * distance, power == 2u);
}

fn average(row: Row, mean: f32, power: u32) -> f32 {
    let step = params.lanes;
    var sum = 0.0;
    var col = row.first;
    while col < row.cols {
        let end = run_end(row, col);
        var run = 0.0;
        for (; col < end; col += 4u * step) {
            run += (distance_at(row, col, mean, power) + distance_at(row, col + step, mean, power))
                + (distance_at(row, col + 2u * step, mean, power) + distance_at(row, col + 3u * step, mean, power));
        }
        sum += run;
    }
    return sum_row(sum, row) / f32(max(row.cols, 1u));
}

fn line(row: Row) -> Line {
    var mean = 0.0;
    if CENTRED {
        mean = average(row, 0.0, 1u);
    }
    let variance = average(row, mean, 2u);
    return Line(mean, variance, 1.0 / sqrt(variance + params.hyper.eps));
}

fn column(i: u32) -> u32 {
    return i % select(params.cols, params.inner, ACROSS_ROWS);
}
