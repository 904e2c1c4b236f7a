// A line is what is normalized together: a row, or a column of the rows that take part.
struct Hyper {
    eps: f32,
    // Rows that take part for each one of the step.
    per_sample: f32,
    momentum: f32,
}

struct Line {
    mean: f32,
    variance: f32,
    scale: f32,
}

// The part of a line that takes part.
fn taking(whole: Row) -> Row {
    var row = whole;
    if ACROSS_ROWS {
        let samples = min(steps.entries[now()].rows, params.cols);
        row.cols = min(row.cols, samples * u32(params.hyper.per_sample));
    }
    return row;
}

// What is averaged over a line.
const DISTANCE = 0u;
const SQUARE = 1u;
const UPSTREAM = 2u;
const PRODUCT = 3u;

fn quantity_at(row: Row, col: u32, line: Line, what: u32) -> f32 {
    if col >= row.cols {
        return 0.0;
    }
    let i = place(row, col);
    let distance = x[i] - line.mean;
    switch what {
        case DISTANCE: {
            return distance;
        }
        case SQUARE: {
            return distance * distance;
        }
        case UPSTREAM: {
            return upstream(i);
        }
        default: {
            return upstream(i) * (distance * line.scale);
        }
    }
}

fn average(row: Row, line: Line, what: u32) -> f32 {
    let step = params.lanes;
    var sum = 0.0;
    var col = row.first;
    while col < row.cols {
        let end = run_end(row, col);
        var run = 0.0;
        for (; col < end; col += 4u * step) {
            run += (quantity_at(row, col, line, what) + quantity_at(row, col + step, line, what))
                + (quantity_at(row, col + 2u * step, line, what) + quantity_at(row, col + 3u * step, line, what));
        }
        sum += run;
    }
    return sum_row(sum, row) / f32(max(row.cols, 1u));
}

fn line(row: Row) -> Line {
    var found = Line();
    if CENTRED {
        found.mean = average(row, found, DISTANCE);
    }
    found.variance = average(row, found, SQUARE);
    found.scale = 1.0 / sqrt(found.variance + params.hyper.eps);
    return found;
}

fn column(i: u32) -> u32 {
    return i % select(params.cols, params.inner, ACROSS_ROWS);
}
