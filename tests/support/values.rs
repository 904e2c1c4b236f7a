//! The inputs that every function of one number is tested with.

/// `count` numbers of both signs, evenly spaced in the logarithm from 1.2e-38 to 3e38.
pub fn log_spaced(count: usize) -> Vec<f32> {
    let (low, high) = (1.2e-38f64.ln(), 3e38f64.ln());
    let steps = (count / 2).max(2) - 1;
    let magnitudes = (0..=steps).map(|i| (low + (high - low) * i as f64 / steps as f64).exp());
    magnitudes.flat_map(|m| [m as f32, -m as f32]).collect()
}

/// `count` numbers evenly spaced from `low` to `high`.
pub fn linear(count: usize, low: f64, high: f64) -> Vec<f32> {
    let steps = count.max(2) - 1;
    (0..=steps).map(|i| (low + (high - low) * i as f64 / steps as f64) as f32).collect()
}

/// Values at which functions have gone wrong, both signs, and each kink with its two neighbours.
pub fn edges(kinks: &[f32]) -> Vec<f32> {
    let magnitudes = [
        0.0,
        f32::from_bits(1),
        f32::MIN_POSITIVE,
        1.0f32.next_down(),
        1.0,
        1.0f32.next_up(),
        9.01,
        20.0,
        43.7,
        44.4,
        87.0,
        88.7,
        88.8,
        103.0,
        1e4,
        f32::MAX,
        f32::INFINITY,
        f32::NAN,
    ];
    let kinks = kinks.iter().flat_map(|k| [k.next_down(), *k, k.next_up()]);
    magnitudes.into_iter().flat_map(|m| [m, -m]).chain(kinks).collect()
}

/// All of the above: `count` log-spaced, `count` linear in ±100, and the edges.
pub fn standard(count: usize, kinks: &[f32]) -> Vec<f32> {
    let mut values = log_spaced(count);
    values.extend(linear(count, -100.0, 100.0));
    values.extend(edges(kinks));
    values
}
