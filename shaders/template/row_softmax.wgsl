alias Statistics = Exponentials;
alias Totals = f32;

fn row_statistics(row: Row) -> Statistics {
    return exponentials(row);
}

fn result(i: u32, col: u32, statistics: Statistics) -> f32 {
    return forward(exponent(score(value(i), i), statistics.top), statistics);
}

fn weight_at(row: Row, col: u32) -> f32 {
    if col >= row.cols {
        return 0.0;
    }
    let i = place(row, col);
    return weight(value(i), upstream(i));
}

// The gradient from the output and one sum over the row.
fn row_totals(row: Row) -> Totals {
    var total = 0.0;
    var col = row.first;
    while col < row.cols {
        let end = run_end(row, col);
        var run = 0.0;
        for (; col < end; col += 4u * params.lanes) {
            run += (weight_at(row, col) + weight_at(row, col + params.lanes))
                + (weight_at(row, col + 2u * params.lanes) + weight_at(row, col + 3u * params.lanes));
        }
        total += run;
    }
    return sum_row(total, row);
}

fn gradient(i: u32, total: Totals) -> f32 {
    return backward(value(i), upstream(i), total);
}
