//! Data sets generated from a formula.

use std::f64::consts::TAU;

use ndarray::Array2;

use super::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::numeric::check_memory;
use crate::random::{Key, Stream};

/// One period of the sine: `n` rows, x = i/n, y = sin(2πx), both computed in `f64` and rounded once.
///
/// The reference runs use `n` = 1000.
///
/// ```
/// let data = wgrad::data::sine(1000)?;
/// assert_eq!((data.len(), data.features(), data.outputs()), (1000, 1, 1));
/// assert_eq!(data.inputs()[[250, 0]], 0.25);
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// [`Error::Limit`](crate::Error::Limit) for more than `u32::MAX` rows,
/// [`Error::OutOfMemory`](crate::Error::OutOfMemory) if they do not fit in memory.
pub fn sine(n: usize) -> Result<Dataset> {
    check_rows("data.sine", Some(n), 2)?;
    let x = |row: usize| row as f64 / n as f64;
    let inputs = Array2::from_shape_fn((n, 1), |(row, _)| x(row) as f32);
    let values = Array2::from_shape_fn((n, 1), |(row, _)| (TAU * x(row)).sin() as f32);
    Ok(Dataset::trusted(inputs, Targets::Values(values)))
}

/// Interleaved spiral arms in the unit disc, one per class, with `points_per_class` rows each, ordered by class.
///
/// Point i of n of class c lies at (r·sin 2.5a, r·cos 2.5a). Its radius is r = i/(n − 1); its angle a runs linearly
/// from 4c to 4(c + 1) and is shifted by 0.2 times a standard normal value. The noise depends only on `seed`
/// ([`Stream::Data`]`(0)`, with the class as step and the point as element).
///
/// ```
/// let data = wgrad::data::spiral(100, 3, 0)?;
/// assert_eq!((data.len(), data.features(), data.outputs()), (300, 2, 3));
/// assert_eq!(data.targets().labels().map(|labels| labels[299]), Some(2));
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// As [`sine`].
pub fn spiral(points_per_class: usize, classes: usize, seed: u64) -> Result<Dataset> {
    let key = Key::new(seed, Stream::Data(0));
    let rows = check_rows("data.spiral", points_per_class.checked_mul(classes), 3)?;
    let last = points_per_class.saturating_sub(1).max(1) as f64;
    let place = |row: usize| (row / points_per_class, row % points_per_class);
    let inputs = Array2::from_shape_fn((rows, 2), |(row, axis)| {
        let (class, point) = place(row);
        let radius = point as f64 / last;
        let noise = key.normal(class as u32, point as u32);
        let angle = 2.5 * (4.0 * (class as f64 + radius) + 0.2 * noise);
        (radius * if axis == 0 { angle.sin() } else { angle.cos() }) as f32
    });
    let labels = (0..rows).map(|row| place(row).0 as u32).collect();
    Ok(Dataset::trusted(inputs, Targets::Classes { labels, classes }))
}

/// The number of rows, if it is within a data set's limit and `numbers` `f32` values per row fit in memory.
fn check_rows(what: &str, rows: Option<usize>, numbers: u64) -> Result<usize> {
    let (needed, limit) = (rows.map_or(u64::MAX, |rows| rows as u64), u64::from(u32::MAX));
    if needed > limit {
        return Err(Error::Limit { what: what.to_string(), needed, limit, unit: "rows" });
    }
    check_memory(what, needed * numbers * 4)?;
    Ok(needed as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_has_the_values_of_the_reference_run() {
        let data = sine(1000).unwrap();
        let (x, y) = (data.inputs(), data.targets().values().unwrap());
        for (row, want_x, want_y) in
            [(0, 0.0, 0.0), (250, 0.25, 1.0), (750, 0.75, -1.0), (999, 0.999, -0.006_283_144)]
        {
            assert_eq!(x[[row, 0]], want_x);
            assert!((y[[row, 0]] - want_y).abs() < 1e-9, "{} {want_y}", y[[row, 0]]);
        }
        let std = y.mapv(f64::from).std(0.0);
        assert!((std - 0.5f64.sqrt()).abs() < 1e-6, "{std}");
    }

    #[test]
    fn spiral_arms_run_from_the_centre_to_the_circle() {
        let data = spiral(100, 3, 0).unwrap();
        for (row, point) in data.inputs().rows().into_iter().enumerate() {
            let radius = point[0].hypot(point[1]);
            assert!((radius - (row % 100) as f32 / 99.0).abs() < 1e-6, "row {row}: {radius}");
        }
        let labels = data.targets().labels().unwrap();
        assert_eq!((labels[0], labels[99], labels[100], labels[299]), (0, 0, 1, 2));
    }

    #[test]
    fn spiral_angles_differ_from_the_line_by_the_noise_alone() {
        let data = spiral(400, 3, 5).unwrap();
        let mut shifts = Vec::new();
        for row in (0..1200).filter(|row| row % 400 > 0) {
            let (class, point) = (row / 400, row % 400);
            let line = 10.0 * (class as f64 + point as f64 / 399.0);
            let (x, y) = (f64::from(data.inputs()[[row, 0]]), f64::from(data.inputs()[[row, 1]]));
            let turn = (x.atan2(y) - line).rem_euclid(TAU);
            shifts.push((if turn > TAU / 2.0 { turn - TAU } else { turn }) / 2.5);
        }
        let std = (shifts.iter().map(|shift| shift * shift).sum::<f64>() / 1197.0).sqrt();
        assert!((std - 0.2).abs() < 0.02, "{std}");
    }

    #[test]
    fn spiral_depends_on_the_seed_alone() {
        assert_eq!(spiral(50, 3, 1).unwrap(), spiral(50, 3, 1).unwrap());
        assert_ne!(spiral(50, 3, 1).unwrap(), spiral(50, 3, 2).unwrap());
        let arms = spiral(50, 5, 1).unwrap();
        assert_eq!(arms.inputs().slice(ndarray::s![..150, ..]), spiral(50, 3, 1).unwrap().inputs());
    }

    #[test]
    fn data_of_no_points_or_one_is_finite() {
        assert!(
            sine(0).unwrap().is_empty()
                && spiral(0, 3, 0).unwrap().is_empty()
                && spiral(3, 0, 0).unwrap().is_empty()
        );
        assert_eq!(sine(1).unwrap().inputs()[[0, 0]], 0.0);
        assert_eq!(spiral(1, 1, 0).unwrap().inputs().row(0).to_vec(), [0.0, 0.0]);
    }
}
