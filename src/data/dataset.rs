//! Rows of inputs with their targets: validation and selection.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, Axis};

use super::targets::check_labels;
use super::{IntoRows, Targets};

use crate::error::{Error, Result};

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
    class_names: Arc<[String]>,
    notes: Arc<[String]>,
}

impl Dataset {
    /// Combines inputs (rows × features) and targets. Owned arrays, views, references and lists of rows are accepted
    /// ([`IntoRows`]); arrays that are not in standard (row-major) layout are copied into it.
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
    /// [`Error::Limit`] for more than `u32::MAX` rows, [`Error::Parameter`] for a number that is not finite, which
    /// [`Dataset::keeping_non_finite`] accepts.
    pub fn new<'a>(inputs: impl IntoRows<'a>, targets: impl Into<Targets>) -> Result<Self> {
        let data = Self::keeping_non_finite(inputs, targets)?;
        check_finite("input", data.inputs.view())?;
        data.targets.values().map_or(Ok(()), |values| check_finite("target", values.view()))?;
        Ok(data)
    }

    /// As [`Dataset::new`], with NaN and infinite numbers allowed.
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn keeping_non_finite<'a>(
        inputs: impl IntoRows<'a>,
        targets: impl Into<Targets>,
    ) -> Result<Self> {
        Self::assemble(inputs, targets, None)
    }

    fn assemble<'a>(
        inputs: impl IntoRows<'a>,
        targets: impl Into<Targets>,
        ignored: Option<u32>,
    ) -> Result<Self> {
        let (inputs, targets) = (row_major(inputs), targets.into());
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
            Targets::Values(values) => Targets::Values(row_major(values)),
            Targets::Classes { labels, classes } => {
                check_labels(&labels, classes, ignored)?;
                Targets::Classes { labels, classes }
            }
        };
        Ok(Self { ignored, ..Self::trusted(inputs, targets) })
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
        inputs: impl IntoRows<'a>,
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
        let targets = Targets::Classes { labels, classes };
        let data = Self::assemble(inputs, targets, Some(ignored as u32))?;
        check_finite("input", data.inputs.view())?;
        Ok(data)
    }

    /// The label that marks rows without a target, as the `u32` of the same bits.
    #[doc(hidden)]
    pub fn ignored(&self) -> Option<u32> {
        self.ignored
    }

    /// The same rows with names for the classes, in the order of the classes. A trainer keeps them, and saves them with
    /// its checkpoints.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one name per class, which value targets have none of.
    pub fn with_class_names<N: Into<String>>(
        self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self> {
        let class_names: Arc<[String]> = names.into_iter().map(Into::into).collect();
        let classes = self.targets.labels().map_or(0, |_| self.outputs());
        if class_names.len() != classes {
            let message = format!("{classes} classes, {} names", class_names.len());
            return Err(Error::shape("dataset.with_class_names", message));
        }
        Ok(Self { class_names, ..self })
    }

    /// The names of the classes, if they have names.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Notes on what the reader of a file left out or filled in, a sentence each.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    pub(super) fn noted(self, notes: Vec<String>) -> Self {
        Self { notes: notes.into(), ..self }
    }

    /// The same rows with each input and value target replaced.
    pub(super) fn map(
        &self,
        inputs: impl FnOnce(&Array2<f32>) -> Array2<f32>,
        values: impl FnOnce(&Array2<f32>) -> Array2<f32>,
    ) -> Self {
        let targets = match &self.targets {
            Targets::Values(targets) => Targets::Values(values(targets)),
            classes => classes.clone(),
        };
        let (weights, ignored) = (self.weights.clone(), self.ignored);
        let (class_names, notes) = (self.class_names.clone(), self.notes.clone());
        Self { inputs: inputs(&self.inputs), targets, weights, ignored, class_names, notes }
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
    pub fn target_variance(&self) -> f64 {
        let values = self.targets.values();
        values.map_or(0.0, |values| variance(values.iter().map(|value| f64::from(*value))))
    }

    /// The weight of each row, if set.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// For data that are consistent by construction.
    pub(super) fn trusted(inputs: Array2<f32>, targets: Targets) -> Self {
        let (class_names, notes) = (Arc::default(), Arc::default());
        Self { inputs, targets, weights: None, ignored: None, class_names, notes }
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
        let (class_names, notes) = (self.class_names.clone(), self.notes.clone());
        Self { inputs, targets, weights, ignored: self.ignored, class_names, notes }
    }
}

fn row_major<'a>(rows: impl IntoRows<'a>) -> Array2<f32> {
    let array = rows.into_rows();
    if array.is_standard_layout() {
        array.into_owned()
    } else {
        array.as_standard_layout().into_owned()
    }
}

/// Fails for a number that is not finite, which one of them would be enough to spoil every parameter.
fn check_finite(what: &str, matrix: ArrayView2<'_, f32>) -> Result<()> {
    let wrong = matrix.indexed_iter().find(|(_, number)| !number.is_finite());
    let Some(((row, column), number)) = wrong else { return Ok(()) };
    let name = format!("the {what} in row {row}, column {column}");
    let valid = "it must be finite; Dataset::keeping_non_finite accepts NaN and infinity";
    Err(Error::parameter("dataset", name, number, valid))
}

/// The variance of numbers; 0 if there are none.
pub(super) fn variance(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count().max(1) as f64;
    let mean = values.clone().sum::<f64>() / count;
    values.map(|value| (value - mean).powi(2)).sum::<f64>() / count
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
    fn numbers_that_are_not_finite_are_refused_by_row_and_column_unless_they_are_kept() {
        let inputs = array![[1.0, 2.0], [3.0, f32::NAN]];
        let error = Dataset::new(&inputs, vec![0, 1]).unwrap_err().to_string();
        assert!(error.contains("the input in row 1, column 1 = NaN"), "{error}");
        assert!(Dataset::classes_ignoring(&inputs, [0, 1], 2, -100).is_err());
        let error = Dataset::new(vec![[1.0]; 2], vec![[0.0], [f32::INFINITY]]).unwrap_err();
        assert!(error.to_string().contains("the target in row 1, column 0 = inf"), "{error}");
        let kept = Dataset::keeping_non_finite(&inputs, vec![0, 1]).unwrap();
        assert!(kept.inputs()[[1, 1]].is_nan());
    }

    #[test]
    fn vectors_and_lists_of_arrays_are_inputs_and_targets() {
        let data = Dataset::new(vec![[1.0, 2.0], [3.0, 4.0]], vec![2, 0]).unwrap();
        assert_eq!(data.inputs(), array![[1., 2.], [3., 4.]]);
        assert_eq!(*data.targets(), Targets::Classes { labels: vec![2, 0], classes: 3 });
        let rows = [[1.0], [2.0]];
        let data = Dataset::new(&rows[..], ndarray::arr1(&[5.0, 6.0])).unwrap();
        assert_eq!(data.targets().values().unwrap(), array![[5.], [6.]]);
        let data = Dataset::new(&rows[..], vec![[5.0, 6.0], [7.0, 8.0]]).unwrap();
        assert_eq!(data.outputs(), 2);
    }

    #[test]
    fn class_names_are_one_per_class_and_stay_with_selected_rows() {
        let data = Dataset::new(vec![[1.0], [3.0]], vec![1, 0]).unwrap();
        let named = data.clone().with_class_names(["no", "yes"]).unwrap();
        assert_eq!(named.rows([1]).unwrap().class_names(), ["no", "yes"]);
        let error = data.with_class_names(["no"]).unwrap_err().to_string();
        assert!(error.contains("2 classes, 1 names"), "{error}");
        assert!(numbered(2).with_class_names(["a"]).is_err());
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
