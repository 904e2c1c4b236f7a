// A row's sum of exponentials below its top: one of its scores, or LEAST, which no score's exponent exceeds by more than 1.
// It is found while the sum is taken, so that a row is read once (Milakov and Gimelshein 2018, online softmax). What
// raises it lies beyond that 1: each move costs the sum a rounding, and slack makes those of earlier moves die out.
struct Exponentials {
    top: f32,
    sum: f32,
}

fn raised(top: f32, scores: vec4<f32>) -> f32 {
    let most = max(max(scores.x, scores.y), max(scores.z, scores.w));
    return select(top, most, exponent(most, top) > 1.0);
}

// The same sum below a higher top.
fn raise(sum: f32, old: f32, top: f32) -> f32 {
    return sum * safe_exp(exponent(old, top));
}

fn exponential(score: f32, top: f32) -> f32 {
    return safe_exp(exponent(score, top));
}

fn join(own: Exponentials, row: Row) -> Exponentials {
    let top = max_row(own.top, row);
    return Exponentials(top, sum_row(raise(own.sum, own.top, top), row));
}
