//! Rows of inputs with their targets: validation and selection.

use ndarray::{Array2, Axis, CowArray, Ix2};

use crate::error::{Error, Result};

/// The targets of a network, one per row of inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Values, rows × outputs: for regression, or class probabilities.
    Values(Array2<f32>),
    /// One class index per row.
    Classes {
        /// The class of each row, each below `classes`.
        labels: Vec<u32>,
        /// The number of classes, including those that do not occur.
        classes: usize,
    },
}

impl Targets {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.nrows(),
            Self::Classes { labels, .. } => labels.len(),
        }
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values, rows × outputs; `None` for classes.
    pub fn values(&self) -> Option<&Array2<f32>> {
        match self {
            Self::Values(values) => Some(values),
            Self::Classes { .. } => None,
        }
    }

    /// The class of each row; `None` for values.
    pub fn labels(&self) -> Option<&[u32]> {
        match self {
            Self::Values(_) => None,
            Self::Classes { labels, .. } => Some(labels),
        }
    }

    fn select(&self, rows: &[usize]) -> Self {
        match self {
            Self::Values(values) => Self::Values(values.select(Axis(0), rows)),
            Self::Classes { labels, classes } => Self::Classes {
                labels: rows.iter().filter_map(|&row| labels.get(row).copied()).collect(),
                classes: *classes,
            },
        }
    }
}

impl From<Array2<f32>> for Targets {
    fn from(values: Array2<f32>) -> Self {
        Self::Values(values)
    }
}

/// Inputs (rows × features) and one target per row.
///
/// A data set may be empty: selection and splitting accept it, training and evaluation reject it.
///
/// ```
/// use ndarray::array;
/// use wgrad::data::{Dataset, Targets};
///
/// let xor = Dataset::new(
///     array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]],
///     Targets::Classes { labels: vec![0, 1, 1, 0], classes: 2 },
/// )?;
/// assert_eq!((xor.len(), xor.features(), xor.outputs()), (4, 2, 2));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    inputs: Array2<f32>,
    targets: Targets,
    weights: Option<Vec<f32>>,
    /// The label of rows without a target.
    ignored: Option<u32>,
}

impl Dataset {
    /// Combines inputs (rows × features) and targets. Owned arrays, views and references are accepted in any memory
    /// layout; arrays that are not in standard (row-major) layout are copied into it.
    ///
    /// ```
    /// use ndarray::array;
    /// use wgrad::data::Dataset;
    ///
    /// let columns = array![[0.0, 1.0, 2.0], [5.0, 6.0, 7.0]];
    /// let data = Dataset::new(columns.t(), array![[0.0], [1.0], [4.0]])?;
    /// assert_eq!(data.inputs().as_slice(), Some(&[0.0, 5.0, 1.0, 6.0, 2.0, 7.0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if the row counts differ, [`Error::Target`] for a label that is not below `classes`,
    /// [`Error::Limit`] for more than `u32::MAX` rows.
    pub fn new<'a>(
        inputs: impl Into<CowArray<'a, f32, Ix2>>,
        targets: impl Into<Targets>,
    ) -> Result<Self> {
        Self::assemble(inputs, targets, None)
    }

    fn assemble<'a>(
        inputs: impl Into<CowArray<'a, f32, Ix2>>,
        targets: impl Into<Targets>,
        ignored: Option<u32>,
    ) -> Result<Self> {
        let (inputs, targets) = (row_major(inputs.into()), targets.into());
        if inputs.nrows() != targets.len() {
            let (rows, given) = (inputs.nrows(), targets.len());
            return Err(Error::shape("dataset", format!("{rows} rows of inputs, {given} targets")));
        }
        if u32::try_from(inputs.nrows()).is_err() {
            return Err(Error::Limit {
                what: "the data set".into(),
                needed: inputs.nrows() as u64,
                limit: u64::from(u32::MAX),
                unit: "rows",
            });
        }
        let targets = match targets {
            Targets::Values(values) => Targets::Values(row_major(values.into())),
            Targets::Classes { labels, classes } => {
                check_labels(&labels, classes, ignored)?;
                Targets::Classes { labels, classes }
            }
        };
        Ok(Self { inputs, targets, weights: None, ignored })
    }

    /// Combines inputs and class labels, where the label `ignored` marks rows without a target: a class or any other
    /// integer, such as 255 or PyTorch's -100. Training requires a loss with this `ignore_index`. Metrics and confusion
    /// matrices exclude such rows, too; a split distributes them over both parts like a class. A negative label is
    /// stored as the `u32` of the same bits.
    ///
    /// ```
    /// use ndarray::array;
    /// use wgrad::Loss;
    /// use wgrad::data::Dataset;
    ///
    /// let inputs = array![[0.5], [1.5], [2.5]];
    /// let data = Dataset::classes_ignoring(inputs, [0, -100, 1], 2, -100)?;
    /// let loss: Loss = "CrossEntropyLoss(ignore_index=-100)".parse()?;
    /// assert_eq!(data.ignored(), loss.ignore_index());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Dataset::new`]; [`Error::Parameter`] if `ignored` is -1, which means none in a loss, or its magnitude
    /// exceeds 2^24.
    pub fn classes_ignoring<'a>(
        inputs: impl Into<CowArray<'a, f32, Ix2>>,
        labels: impl IntoIterator<Item = i64>,
        classes: usize,
        ignored: i64,
    ) -> Result<Self> {
        if ignored == -1 || ignored.unsigned_abs() > 1 << 24 {
            let valid = "it must be a whole number from -2^24 to 2^24 other than -1";
            return Err(Error::parameter("dataset", "ignored", ignored, valid));
        }
        let labels: Vec<i64> = labels.into_iter().collect();
        let is_label = |label: &i64| *label == ignored || (0..1 << 32).contains(label);
        if let Some((row, label)) = labels.iter().enumerate().find(|(_, label)| !is_label(label)) {
            let message = format!("row {row} has the label {label}, which is not a class from 0");
            return Err(Error::Target { op: "dataset".into(), message });
        }
        let labels = labels.into_iter().map(|label| label as u32).collect();
        Self::assemble(inputs, Targets::Classes { labels, classes }, Some(ignored as u32))
    }

    /// The label that marks rows without a target, as the `u32` of the same bits.
    #[doc(hidden)]
    pub fn ignored(&self) -> Option<u32> {
        self.ignored
    }

    /// The same rows with a weight each, which multiplies the row's loss and gradient. A mean still divides by the
    /// number of rows, like `sample_weight` in Keras; metrics count every row equally.
    ///
    /// ```
    /// let data = wgrad::data::sine(3)?.weighted(vec![1.0, 0.0, 2.0])?;
    /// assert_eq!(data.rows([2, 0])?.weights(), Some(&[2.0, 1.0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one weight per row; [`Error::Parameter`] for a weight that is not finite.
    pub fn weighted(self, weights: Vec<f32>) -> Result<Self> {
        if weights.len() != self.len() {
            let (rows, given) = (self.len(), weights.len());
            return Err(Error::shape("dataset.weighted", format!("{rows} rows, {given} weights")));
        }
        if let Some((row, weight)) = weights.iter().enumerate().find(|(_, w)| !w.is_finite()) {
            let (name, valid) = (format!("the weight of row {row}"), "it must be a finite number");
            return Err(Error::parameter("dataset.weighted", name, weight, valid));
        }
        Ok(Self { weights: Some(weights), ..self })
    }

    /// The variance of value targets over all rows and columns, for [`Metric::R2`](crate::Metric::R2); 0 for classes.
    #[doc(hidden)]
    pub fn target_variance(&self) -> f64 {
        let Some(values) = self.targets.values() else { return 0.0 };
        let count = values.len().max(1) as f64;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
        values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count
    }

    /// The weight of each row, if set.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// For data generated by this module, which are consistent by construction.
    pub(super) fn trusted(inputs: Array2<f32>, targets: Targets) -> Self {
        Self { inputs, targets, weights: None, ignored: None }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.inputs.nrows()
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of input features: the number of inputs of a network for this data.
    pub fn features(&self) -> usize {
        self.inputs.ncols()
    }

    /// The number of outputs of a network for this data: columns of values, or classes.
    pub fn outputs(&self) -> usize {
        match &self.targets {
            Targets::Values(values) => values.ncols(),
            Targets::Classes { classes, .. } => *classes,
        }
    }

    /// The inputs, rows × features, in standard layout.
    pub fn inputs(&self) -> &Array2<f32> {
        &self.inputs
    }

    /// The targets; values are in standard layout.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Returns the inputs and the targets by value.
    #[doc(hidden)]
    pub fn into_parts(self) -> (Array2<f32>, Targets) {
        (self.inputs, self.targets)
    }

    /// Selects the given rows, in the given order; a row may be given more than once. Accepts ranges and lists of
    /// indices.
    ///
    /// ```
    /// let data = wgrad::data::sine(100)?;
    /// assert_eq!(data.rows(90..100)?.len(), 10);
    /// assert_eq!(data.rows([3, 3, 7])?.len(), 3);
    /// assert!(data.rows([100]).is_err());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] for a row that does not exist.
    pub fn rows(&self, rows: impl IntoIterator<Item = usize>) -> Result<Self> {
        let checked = rows.into_iter().map(|row| {
            if row < self.len() {
                Ok(row)
            } else {
                let message = format!("row {row} of a data set of {} rows", self.len());
                Err(Error::shape("dataset.rows", message))
            }
        });
        Ok(self.select(&checked.collect::<Result<Vec<_>>>()?))
    }

    /// Selects rows that are known to exist.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        let weights = self
            .weights
            .as_ref()
            .map(|weights| rows.iter().filter_map(|&row| weights.get(row).copied()).collect());
        let (inputs, targets) = (self.inputs.select(Axis(0), rows), self.targets.select(rows));
        Self { inputs, targets, weights, ignored: self.ignored }
    }
}

fn row_major(array: CowArray<'_, f32, Ix2>) -> Array2<f32> {
    if array.is_standard_layout() {
        array.into_owned()
    } else {
        array.as_standard_layout().into_owned()
    }
}

fn check_labels(labels: &[u32], classes: usize, ignored: Option<u32>) -> Result<()> {
    let outside = |label: u32| label as usize >= classes && Some(label) != ignored;
    let Some((row, label)) = labels.iter().enumerate().find(|&(_, &label)| outside(label)) else {
        return Ok(());
    };
    let count = labels.iter().filter(|&&label| outside(label)).count();
    Err(Error::Target {
        op: "dataset".into(),
        message: format!(
            "{count} of {} labels are not below the number of classes, {classes}; the first is {label} in row {row}",
            labels.len()
        ),
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array, s};

    use super::*;

    fn numbered(rows: usize) -> Dataset {
        let column = Array2::from_shape_fn((rows, 1), |(row, _)| row as f32);
        Dataset::new(&column, column.clone()).unwrap()
    }

    #[test]
    fn inputs_and_targets_of_different_lengths_are_refused() {
        let error = Dataset::new(Array2::zeros((3, 2)), Array2::zeros((4, 1))).unwrap_err();
        assert_eq!(error.to_string(), "dataset: 3 rows of inputs, 4 targets");
    }

    #[test]
    fn a_label_that_is_not_below_the_classes_is_refused_by_row_and_value() {
        let targets = Targets::Classes { labels: vec![0, 3, 2, 9], classes: 3 };
        let error = Dataset::new(Array2::zeros((4, 2)), targets).unwrap_err();
        assert!(matches!(error, Error::Target { .. }));
        let error = error.to_string();
        assert!(error.contains("2 of 4 labels") && error.contains("classes, 3"), "{error}");
        assert!(error.contains("3 in row 1"), "{error}");
    }

    #[test]
    fn a_data_set_without_rows_can_be_made_selected_and_split() {
        let none = Targets::Classes { labels: vec![], classes: 0 };
        for data in [Dataset::new(Array2::zeros((0, 2)), none).unwrap(), numbered(0)] {
            assert!(data.is_empty() && data.targets().is_empty());
            assert!(data.rows([]).unwrap().is_empty());
            let (train, validation) = data.split(0.5, 0).unwrap();
            assert!(train.is_empty() && validation.is_empty());
        }
    }

    #[test]
    fn any_layout_is_stored_row_major() {
        let wide = Array2::from_shape_fn((6, 4), |(row, col)| (10 * row + col) as f32);
        let strided = wide.slice(s![..;2, ..;-1]);
        let data = Dataset::new(strided, wide.t().slice_move(s![1.., ..2]).to_owned()).unwrap();
        assert_eq!(data.inputs(), strided);
        assert!(data.inputs().is_standard_layout());
        assert!(data.targets().values().unwrap().is_standard_layout());
        assert_eq!(data.targets().values().unwrap(), array![[1., 11.], [2., 12.], [3., 13.]]);
    }

    #[test]
    fn rows_come_in_the_order_asked_for_and_may_repeat() {
        let picked = numbered(5).rows([4, 0, 4]).unwrap();
        assert_eq!(picked.inputs(), array![[4.], [0.], [4.]]);
        assert_eq!(picked.targets().values().unwrap(), picked.inputs());
        let error = numbered(5).rows(0..usize::MAX).unwrap_err().to_string();
        assert!(error.contains("row 5 of a data set of 5 rows"), "{error}");
    }
}
