// gumbel_softmax: softmax((x + n) / tau) along dim, n = -log(-log u) drawn while training; with hard 1 at the largest,
// else 0
struct Hyper {
    tau: f32,
    hard: f32,
    dim: f32,
}

const LEAST: f32 = LOWEST;

// Element i with a Gumbel number added, -log(-log(u)) with u in the middle of one of 2^23 equal parts of (0, 1).
fn score(x: f32, i: u32) -> f32 {
    let word = random_words(vec2(params.key0, params.key1), steps.counter, i).x;
    let u = f32(2u * (word >> 9u) + 1u) * (1.0 / 16777216.0);
    return x - safe_log(-safe_log(u));
}

fn exponent(score: f32, top: f32) -> f32 {
    return (score - top) / params.hyper.tau;
}

fn soft(i: u32, row: Exponentials) -> f32 {
    return safe_exp(exponent(score(value(i), i), row.top)) / row.sum;
}

// With hard, the first largest.
struct Statistics {
    row: Exponentials,
    best: u32,
}

fn row_statistics(row: Row) -> Statistics {
    let statistics = exponentials(row);
    if params.hyper.hard == 0.0 {
        return Statistics(statistics, 0u);
    }
    return Statistics(statistics, row_argmax(row, row_top(row, LEAST)));
}

fn result(i: u32, col: u32, own: Statistics) -> f32 {
    if params.hyper.hard == 0.0 {
        return soft(i, own.row);
    }
    return chosen(own.best, col);
}

// The gradient is that of the soft result in either case.
struct Totals {
    row: Exponentials,
    total: f32,
}

fn product_at(row: Row, col: u32, statistics: Exponentials) -> f32 {
    if col >= row.cols {
        return 0.0;
    }
    let i = place(row, col);
    return soft(i, statistics) * upstream(i);
}

fn row_totals(row: Row) -> Totals {
    let statistics = exponentials(row);
    var total = 0.0;
    var col = row.first;
    while col < row.cols {
        let end = run_end(row, col);
        var run = 0.0;
        for (; col < end; col += 4u * params.lanes) {
            run += (product_at(row, col, statistics) + product_at(row, col + params.lanes, statistics))
                + (product_at(row, col + 2u * params.lanes, statistics) + product_at(row, col + 3u * params.lanes, statistics));
        }
        total += run;
    }
    return Totals(statistics, sum_row(total, row));
}

fn gradient(i: u32, totals: Totals) -> f32 {
    return soft(i, totals.row) * (upstream(i) - totals.total) / params.hyper.tau;
}
