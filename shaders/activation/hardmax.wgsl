// hardmax: 1 at the first largest x along dim, else 0
struct Hyper {
    dim: f32,
}

fn score(x: f32, i: u32) -> f32 {
    return x;
}

alias Statistics = u32;
alias Totals = f32;

fn row_statistics(row: Row) -> Statistics {
    return row_argmax(row, row_top(row, LOWEST));
}

fn result(i: u32, col: u32, best: Statistics) -> f32 {
    return chosen(best, col);
}

fn row_totals(row: Row) -> Totals {
    return 0.0;
}

fn gradient(i: u32, totals: Totals) -> f32 {
    return 0.0;
}
