//! Shifting and scaling of columns.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array2, ArrayView2};

use super::dataset::variance;
use super::{Dataset, IntoRows, Targets};
use crate::error::{Error, Result};

/// A shift and a scale per column, fitted on training rows: `(x - shift) / scale`.
///
/// Given to [`TrainerBuilder::standardize`](crate::train::TrainerBuilder::standardize), a trainer applies it to all
/// rows itself, undoes it for predictions, and saves it with its checkpoints. To use it by hand:
///
/// ```
/// use ndarray::array;
/// use wgrad::data::{Dataset, Standardize};
///
/// let train = Dataset::new(array![[1.0, 7.0], [3.0, 7.0]], array![[10.0], [30.0]])?;
/// let standardize = Standardize::fit(&train)?.with_targets();
/// let scaled = standardize.apply(&train)?;
/// assert_eq!(scaled.inputs(), array![[-1.0, 0.0], [1.0, 0.0]]);
/// assert_eq!(standardize.undo_targets(array![[0.0]])?, array![[20.0]]);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Standardize {
    inputs: Columns,
    targets: Columns,
    scales_targets: bool,
}

/// The shift and the scale of each column.
#[derive(Clone, Debug, PartialEq)]
struct Columns(Vec<[f64; 2]>);

impl Standardize {
    /// Fits mean and standard deviation (the root of the mean square, not of the unbiased estimate) of each column. A
    /// column of equal values gets scale 1. Only inputs are scaled, unless [`Standardize::with_targets`] is called.
    ///
    /// # Errors
    /// [`Error::Empty`] without rows.
    pub fn fit(data: &Dataset) -> Result<Self> {
        Self::with(data, mean_and_deviation)
    }

    /// Fits minimum and range of each column, so that fitted values become 0 to 1; otherwise as [`Standardize::fit`].
    ///
    /// # Errors
    /// As [`Standardize::fit`].
    pub fn min_max(data: &Dataset) -> Result<Self> {
        Self::with(data, minimum_and_range)
    }

    fn with(data: &Dataset, column: fn(&[f64]) -> [f64; 2]) -> Result<Self> {
        if data.is_empty() {
            return Err(Error::empty("standardize", "the data set has no rows"));
        }
        let values = data.targets().values();
        Ok(Self {
            inputs: Columns::fit(data.inputs(), column),
            targets: values.map_or(Columns(Vec::new()), |values| Columns::fit(values, column)),
            scales_targets: false,
        })
    }

    /// Scales value targets, too. A trainer's loss and metrics are then those of the scaled targets; predictions have
    /// the original unit.
    pub fn with_targets(self) -> Self {
        Self { scales_targets: true, ..self }
    }

    /// The same rows, shifted and scaled.
    ///
    /// # Errors
    /// [`Error::Shape`] if the columns are not as many as those of the fitted rows; [`Error::Unsupported`] if targets
    /// are to be scaled and are classes.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset> {
        self.inputs.check("inputs", data.features())?;
        if self.scales_targets {
            match data.targets() {
                Targets::Values(values) => self.targets.check("targets", values.ncols())?,
                Targets::Classes { .. } => {
                    let message = "the targets are classes; leave out with_targets";
                    return Err(Error::unsupported("standardize", message));
                }
            }
        }
        let values = |values: &Array2<f32>| match self.scales_targets {
            true => self.targets.apply(values.view()),
            false => values.clone(),
        };
        Ok(data.map(|inputs| self.inputs.apply(inputs.view()), values))
    }

    /// Rows of inputs, shifted and scaled.
    ///
    /// # Errors
    /// [`Error::Shape`] if the columns are not as many as those of the fitted rows.
    pub fn apply_inputs<'a>(&self, rows: impl IntoRows<'a>) -> Result<Array2<f32>> {
        let rows = rows.into_rows();
        self.inputs.check("inputs", rows.ncols())?;
        Ok(self.inputs.apply(rows.view()))
    }

    /// Scaled targets in their original unit; unchanged if targets are not scaled.
    ///
    /// # Errors
    /// [`Error::Shape`] if the columns are not as many as those of the fitted targets.
    pub fn undo_targets(&self, values: Array2<f32>) -> Result<Array2<f32>> {
        if !self.scales_targets {
            return Ok(values);
        }
        self.targets.check("targets", values.ncols())?;
        Ok(self.targets.undo(values))
    }

    /// The variance of targets once they are scaled.
    pub(crate) fn target_variance(&self, data: &Dataset) -> f64 {
        let Some(values) = data.targets().values().filter(|_| self.scales_targets) else {
            return data.target_variance();
        };
        let columns = self.targets.0.iter().cycle();
        let scaled = values.iter().zip(columns);
        variance(scaled.map(|(value, [shift, scale])| (f64::from(*value) - shift) / scale))
    }

    /// Fails unless it is for rows of this many inputs and targets.
    pub(crate) fn check(&self, inputs: usize, outputs: usize) -> Result<()> {
        self.inputs.check("inputs", inputs)?;
        if self.scales_targets { self.targets.check("targets", outputs) } else { Ok(()) }
    }
}

impl Columns {
    fn fit(matrix: &Array2<f32>, column: fn(&[f64]) -> [f64; 2]) -> Self {
        let fitted = matrix.columns().into_iter().map(|values| {
            let finite = values.iter().filter(|value| value.is_finite());
            let finite: Vec<f64> = finite.map(|value| f64::from(*value)).collect();
            let [shift, scale] = column(&finite);
            let is_constant = finite.iter().all(|value| finite.first() == Some(value));
            [shift, if is_constant { 1.0 } else { scale }]
        });
        Self(fitted.collect())
    }

    fn check(&self, what: &str, given: usize) -> Result<()> {
        let fitted = self.0.len();
        if fitted == given {
            return Ok(());
        }
        Err(Error::shape("standardize", format!("{given} {what} a row, fitted on {fitted}")))
    }

    fn apply(&self, rows: ArrayView2<'_, f32>) -> Array2<f32> {
        self.map(rows.to_owned(), |value, [shift, scale]| (value - shift) / scale)
    }

    fn undo(&self, rows: Array2<f32>) -> Array2<f32> {
        self.map(rows, |value, [shift, scale]| value * scale + shift)
    }

    fn map(&self, mut rows: Array2<f32>, f: impl Fn(f64, [f64; 2]) -> f64) -> Array2<f32> {
        for mut row in rows.rows_mut() {
            for (value, column) in row.iter_mut().zip(&self.0) {
                *value = f(f64::from(*value), *column) as f32;
            }
        }
        rows
    }
}

fn mean_and_deviation(values: &[f64]) -> [f64; 2] {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    [mean, square.sqrt()]
}

fn minimum_and_range(values: &[f64]) -> [f64; 2] {
    let least = values.iter().copied().reduce(f64::min).unwrap_or(0.0);
    let most = values.iter().copied().reduce(f64::max).unwrap_or(0.0);
    [least, most - least]
}

/// The text that a checkpoint holds, from which every number is read back exactly.
impl fmt::Display for Standardize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inputs {}", self.inputs)?;
        if self.scales_targets { write!(f, "; targets {}", self.targets) } else { Ok(()) }
    }
}

impl fmt::Display for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.0.iter().map(|[shift, scale]| format!("{shift}/{scale}"));
        write!(f, "{}", columns.collect::<Vec<_>>().join(" "))
    }
}

impl FromStr for Standardize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let damaged = || Error::unsupported("standardize", "its text is damaged");
        let (inputs, targets) = match text.split_once("; targets ") {
            Some((inputs, targets)) => (inputs, Some(targets)),
            None => (text, None),
        };
        let inputs = inputs.strip_prefix("inputs ").and_then(Columns::of_text);
        Ok(Self {
            inputs: inputs.ok_or_else(damaged)?,
            targets: Columns::of_text(targets.unwrap_or_default()).ok_or_else(damaged)?,
            scales_targets: targets.is_some(),
        })
    }
}

impl Columns {
    fn of_text(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse().ok().filter(|number: &f64| number.is_finite());
        let column = |text: &str| {
            let (shift, scale) = text.split_once('/')?;
            Some([number(shift)?, number(scale)?])
        };
        text.split(' ').filter(|text| !text.is_empty()).map(column).collect::<Option<_>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::random::{Key, Stream};

    fn random(case: u64) -> Dataset {
        let key = Key::new(case, Stream::Data(2));
        let (rows, cols) =
            (2 + key.words(0, 0)[0] as usize % 40, 1 + key.words(0, 1)[0] as usize % 6);
        let number = |(row, col): (usize, usize)| {
            let scale = 10f64.powi((key.words(1, col as u32)[0] % 9) as i32 - 4);
            (scale * (key.normal(row as u32 + 2, col as u32) + 3.0)) as f32
        };
        let inputs = Array2::from_shape_fn((rows, cols), number);
        Dataset::new(&inputs, inputs.mapv(|x| 7.0 * x - 2.0)).unwrap()
    }

    #[test]
    fn standardized_columns_have_mean_0_and_deviation_1_and_min_max_ones_lie_in_0_to_1() {
        for case in 0..50 {
            let data = random(case);
            let scaled = Standardize::fit(&data).unwrap().with_targets().apply(&data).unwrap();
            for matrix in [scaled.inputs(), scaled.targets().values().unwrap()] {
                for column in matrix.columns() {
                    let column = column.mapv(f64::from);
                    assert!(column.mean().unwrap().abs() < 1e-5, "{column}");
                    assert!((column.std(0.0) - 1.0).abs() < 1e-5, "{column}");
                }
            }
            let scaled = Standardize::min_max(&data).unwrap().apply(&data).unwrap();
            for column in scaled.inputs().columns() {
                let least = column.iter().copied().reduce(f32::min);
                let most = column.iter().copied().reduce(f32::max);
                assert_eq!((least, most), (Some(0.0), Some(1.0)));
            }
            assert_eq!(scaled.targets(), data.targets());
        }
    }

    #[test]
    fn scaled_targets_are_undone_and_the_text_gives_the_same_numbers() {
        for case in 0..50 {
            let data = random(case);
            for fitted in [Standardize::fit(&data).unwrap(), Standardize::min_max(&data).unwrap()] {
                let fitted = fitted.with_targets();
                let scaled = fitted.apply(&data).unwrap();
                let targets = data.targets().values().unwrap();
                let back = fitted.undo_targets(scaled.targets().values().unwrap().clone()).unwrap();
                for (got, wanted) in back.columns().into_iter().zip(targets.columns()) {
                    let most = wanted.iter().fold(0f32, |most, value| most.max(value.abs()));
                    let apart = (&got - &wanted).mapv(f32::abs);
                    assert!(apart.iter().all(|apart| *apart <= 1e-6 * most), "{apart} {most}");
                }
                let read: Standardize = fitted.to_string().parse().unwrap();
                assert_eq!(read, fitted);
                assert_eq!(read.apply_inputs(data.inputs()).unwrap(), scaled.inputs());
            }
        }
    }

    #[test]
    fn a_constant_column_gets_scale_1() {
        let data = Dataset::new(array![[5.0, 1.0], [5.0, 3.0]], vec![0, 1]).unwrap();
        for fitted in [Standardize::fit(&data).unwrap(), Standardize::min_max(&data).unwrap()] {
            let rows = fitted.apply_inputs(array![[7.0, 1.0]]).unwrap();
            assert_eq!(rows[[0, 0]], 2.0);
        }
    }

    #[test]
    fn other_columns_and_classes_are_refused() {
        let data = Dataset::new(array![[5.0, 1.0], [5.0, 3.0]], vec![0, 1]).unwrap();
        let fitted = Standardize::fit(&data).unwrap();
        let error = fitted.apply_inputs(array![[7.0]]).unwrap_err().to_string();
        assert_eq!(error, "standardize: 1 inputs a row, fitted on 2");
        let error = fitted.with_targets().apply(&data).unwrap_err().to_string();
        assert!(error.contains("the targets are classes"), "{error}");
        let none = data.rows([]).unwrap();
        assert!(matches!(Standardize::fit(&none), Err(Error::Empty { .. })));
        for text in ["", "inputs 1", "inputs 1/x", "inputs 1/2; targets 3", "1/2", "inputs inf/1"] {
            assert!(text.parse::<Standardize>().is_err(), "{text}");
        }
    }
}
