//! Rows of inputs with their targets: checked once, selected and split.

use ndarray::{Array2, Axis, CowArray, Ix2};

use crate::error::{Error, Result};
use crate::random::{Key, Stream};

/// What a network is to answer for each row of inputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Numbers, rows × outputs: regression, or probabilities of classes.
    Values(Array2<f32>),
    /// One class index per row.
    Classes {
        /// The class of each row, each below `classes`.
        labels: Vec<u32>,
        /// How many classes there are, whether or not every one of them occurs.
        classes: usize,
    },
}

impl Targets {
    /// How many rows have a target.
    pub fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.nrows(),
            Self::Classes { labels, .. } => labels.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values, rows × outputs, unless these are classes.
    pub fn values(&self) -> Option<&Array2<f32>> {
        match self {
            Self::Values(values) => Some(values),
            Self::Classes { .. } => None,
        }
    }

    /// The class of each row, unless these are values.
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
/// A data set may have no rows; training and evaluation refuse such a one, selection and splitting do not.
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
    /// Puts inputs (rows × features) and targets together. Owned arrays, views and references are taken, in any
    /// memory layout; what is not in standard (row-major) layout is copied into it.
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
        Self::put_together(inputs, targets, None)
    }

    fn put_together<'a>(
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

    /// Puts inputs and class labels together, of which `ignored` marks rows without a target: a class or any other number,
    /// such as 255 or PyTorch's -100. It takes a loss of this `ignore_index`; metrics and confusion matrices leave such
    /// rows out, too, and a split gives both parts their share of them. A negative label is kept as the `u32` of the same
    /// bits.
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
    /// As [`Dataset::new`]; [`Error::Parameter`] if `ignored` is -1, which to a loss means none, or further from 0 than
    /// 2^24.
    pub fn classes_ignoring<'a>(
        inputs: impl Into<CowArray<'a, f32, Ix2>>,
        labels: impl IntoIterator<Item = i64>,
        classes: usize,
        ignored: i64,
    ) -> Result<Self> {
        if ignored == -1 || ignored.unsigned_abs() > 1 << 24 {
            return Err(Error::Parameter {
                op: "dataset".into(),
                name: "ignored".into(),
                value: ignored as f64,
                valid: "it must be a whole number from -2^24 to 2^24 other than -1".into(),
            });
        }
        let labels: Vec<i64> = labels.into_iter().collect();
        let is_label = |label: &i64| *label == ignored || (0..1 << 32).contains(label);
        if let Some((row, label)) = labels.iter().enumerate().find(|(_, label)| !is_label(label)) {
            let message = format!("row {row} has the label {label}, no class from 0");
            return Err(Error::Target { op: "dataset".into(), message });
        }
        let labels = labels.into_iter().map(|label| label as u32).collect();
        Self::put_together(inputs, Targets::Classes { labels, classes }, Some(ignored as u32))
    }

    /// The label that marks rows without a target, as the `u32` of the same bits.
    pub fn ignored(&self) -> Option<u32> {
        self.ignored
    }

    /// The same rows with a weight each: it multiplies the row's loss and gradient. A mean still divides by the number
    /// of rows, as `sample_weight` does in Keras; metrics count every row alike.
    ///
    /// ```
    /// let data = wgrad::data::sine(3).weighted(vec![1.0, 0.0, 2.0])?;
    /// assert_eq!(data.rows([2, 0])?.weights(), Some(&[2.0, 1.0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is one weight per row; [`Error::Parameter`] for one that is no finite number.
    pub fn weighted(self, weights: Vec<f32>) -> Result<Self> {
        if weights.len() != self.len() {
            let (rows, given) = (self.len(), weights.len());
            return Err(Error::shape("dataset.weighted", format!("{rows} rows, {given} weights")));
        }
        if let Some((row, weight)) = weights.iter().enumerate().find(|(_, w)| !w.is_finite()) {
            return Err(Error::Parameter {
                op: "dataset.weighted".into(),
                name: format!("the weight of row {row}"),
                value: f64::from(*weight),
                valid: "it must be a finite number".into(),
            });
        }
        Ok(Self { weights: Some(weights), ..self })
    }

    /// The variance of value targets over all rows and columns, for [`Metric::R2`](crate::Metric::R2); 0 for classes.
    pub fn target_variance(&self) -> f64 {
        let Some(values) = self.targets.values() else { return 0.0 };
        let count = values.len().max(1) as f64;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
        values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count
    }

    /// The weight of each row, if they have any.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// For data made by this module, which fits together by construction.
    pub(super) fn trusted(inputs: Array2<f32>, targets: Targets) -> Self {
        Self { inputs, targets, weights: None, ignored: None }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.inputs.nrows()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many numbers describe a row: the inputs of a network for this data.
    pub fn features(&self) -> usize {
        self.inputs.ncols()
    }

    /// How many outputs a network for this data has: columns of values, or classes.
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

    /// Gives the inputs and the targets away.
    pub fn into_parts(self) -> (Array2<f32>, Targets) {
        (self.inputs, self.targets)
    }

    /// The given rows, in the given order; a row may be given more than once. Ranges and index lists both do.
    ///
    /// ```
    /// let data = wgrad::data::sine(100);
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

    /// Splits at random into a training part with `fraction` of the rows and a validation part with the rest.
    ///
    /// The training part has `fraction` of all rows, rounded to the nearest (halves up), but both parts have at least
    /// one row unless `fraction` is 0 or 1, or there is but one. Class targets are split class by class: each class
    /// contributes its share rounded down, or up where the largest remainders are, equal ones at random, so that the total
    /// is as said. The same seed gives the same split, everywhere. Both parts keep the order of the rows.
    ///
    /// ```
    /// let (train, validation) = wgrad::data::spiral(100, 3, 0).split(0.75, 7)?;
    /// assert_eq!((train.len(), validation.len()), (225, 75));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] if `fraction` is not within 0 to 1.
    pub fn split(&self, fraction: f64, seed: u64) -> Result<(Self, Self)> {
        if !(0.0..=1.0).contains(&fraction) {
            return Err(Error::Parameter {
                op: "dataset.split".into(),
                name: "fraction".into(),
                value: fraction,
                valid: "0 to 1".into(),
            });
        }
        let key = Key::new(seed, Stream::Split);
        let (mut train, mut validation) = (Vec::new(), Vec::new());
        let strata = self.strata();
        for (number, (stratum, share)) in
            strata.iter().zip(shares(&strata, fraction, key)).enumerate()
        {
            for (index, &row) in stratum.iter().enumerate() {
                // No more than u32::MAX rows and labels, by construction, so the casts keep every bit.
                let place = key.permute(number as u32, index as u32, stratum.len() as u32);
                if (place as usize) < share { train.push(row) } else { validation.push(row) }
            }
        }
        train.sort_unstable();
        validation.sort_unstable();
        Ok((self.select(&train), self.select(&validation)))
    }

    /// The rows of each class that occurs, or all rows as one stratum.
    fn strata(&self) -> Vec<Vec<usize>> {
        match &self.targets {
            Targets::Values(_) => vec![(0..self.len()).collect()],
            Targets::Classes { labels, .. } => {
                // A map, because the number of classes is the caller's and may be far above the number of rows.
                let mut strata = std::collections::BTreeMap::<u32, Vec<usize>>::new();
                for (row, &label) in labels.iter().enumerate() {
                    strata.entry(label).or_default().push(row);
                }
                strata.into_values().collect()
            }
        }
    }

    /// Rows known to exist.
    fn select(&self, rows: &[usize]) -> Self {
        let weights = self
            .weights
            .as_ref()
            .map(|weights| rows.iter().filter_map(|&row| weights.get(row).copied()).collect());
        let (inputs, targets) = (self.inputs.select(Axis(0), rows), self.targets.select(rows));
        Self { inputs, targets, weights, ignored: self.ignored }
    }
}

/// How many rows of each stratum go to the training part: `fraction` of each, rounded down, and one more where the largest
/// remainders are, so that all together are `fraction` of all rows.
fn shares(strata: &[Vec<usize>], fraction: f64, key: Key) -> Vec<usize> {
    let total: usize = strata.iter().map(Vec::len).sum();
    let rounded = (fraction * total as f64).round() as usize;
    let wanted = match total {
        2.. if fraction > 0.0 && fraction < 1.0 => rounded.clamp(1, total - 1),
        _ => rounded,
    };
    let quotas: Vec<f64> = strata.iter().map(|stratum| fraction * stratum.len() as f64).collect();
    let mut shares: Vec<usize> = quotas.iter().map(|quota| *quota as usize).collect();
    let missing = wanted.saturating_sub(shares.iter().sum());
    let count = strata.len() as u32;
    // Equal remainders in an order of their own, which no split of a stratum has.
    let drawn = |number: usize| key.permute(u32::MAX, number as u32, count);
    let mut order: Vec<usize> = (0..strata.len()).collect();
    let remainder = |number: &usize| quotas.get(*number).map_or(0.0, |quota| quota.fract());
    order.sort_by(|a, b| {
        remainder(b).total_cmp(&remainder(a)).then_with(|| drawn(*a).cmp(&drawn(*b)))
    });
    for number in order.into_iter().take(missing) {
        shares.get_mut(number).into_iter().for_each(|share| *share += 1);
    }
    shares
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
    use crate::data;

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

    #[test]
    fn a_split_is_disjoint_complete_and_reproducible() {
        let data = numbered(101);
        let (train, validation) = data.split(0.8, 3).unwrap();
        assert_eq!((train.len(), validation.len()), (81, 20));
        let mut all: Vec<f32> = train.inputs().iter().chain(validation.inputs()).copied().collect();
        all.sort_unstable_by(f32::total_cmp);
        assert_eq!(all, (0..101).map(|row| row as f32).collect::<Vec<_>>());
        assert_eq!(data.split(0.8, 3).unwrap(), (train.clone(), validation));
        assert_ne!(data.split(0.8, 4).unwrap().0, train);
    }

    fn labelled(labels: Vec<u32>) -> Dataset {
        let inputs = Array2::from_shape_fn((labels.len(), 1), |(row, _)| row as f32);
        Dataset::new(inputs, Targets::Classes { labels, classes: usize::MAX }).unwrap()
    }

    fn count(part: &Dataset, class: u32) -> usize {
        part.targets().labels().unwrap().iter().filter(|&&label| label == class).count()
    }

    #[test]
    fn a_split_of_classes_takes_the_share_of_each_rounded_so_that_all_add_up() {
        let data = labelled((0..60).map(|row| u32::from(row % 6 == 0) * 4).collect());
        let (train, validation) = data.split(0.75, 0).unwrap();
        let of_train = (count(&train, 0), count(&train, 4));
        assert!([(37, 8), (38, 7)].contains(&of_train), "{of_train:?}");
        assert_eq!(count(&validation, 0) + of_train.0, 50);
        assert_eq!(count(&validation, 4) + of_train.1, 10);
    }

    #[test]
    fn many_small_classes_give_the_rows_that_were_asked_for() {
        for (classes, each, fraction, validation) in [(250, 4, 0.9, 100), (20, 2, 0.7, 12)] {
            let data = labelled((0..classes * each).map(|row| row / each).collect());
            let (train, rest) = data.split(fraction, 0).unwrap();
            assert_eq!((train.len() + rest.len(), rest.len()), (data.len(), validation));
            // Which classes give a row more is drawn, not taken from the front.
            let first = rest.targets().labels().unwrap()[0];
            let last = *rest.targets().labels().unwrap().last().unwrap();
            assert!(first < classes / 4 && last > classes * 3 / 4, "{first} {last}");
            assert!((0..classes).all(|class| count(&train, class) >= 1));
        }
    }

    #[test]
    fn both_parts_of_a_split_have_rows_unless_none_or_all_were_asked_for() {
        for data in [numbered(2), labelled(vec![7, 7]), labelled(vec![0, 1]), numbered(400)] {
            for fraction in [1e-9, 0.001, 0.5, 0.999, 1.0 - 1e-9] {
                let (train, validation) = data.split(fraction, 3).unwrap();
                assert!(!train.is_empty() && !validation.is_empty(), "{fraction}");
            }
            assert!(data.split(0.0, 3).unwrap().0.is_empty());
            assert!(data.split(1.0, 3).unwrap().1.is_empty());
        }
    }

    #[test]
    fn any_split_has_its_total_and_each_class_its_share_to_within_a_row() {
        let draw = Key::new(9, Stream::Data(0));
        for case in 0..300 {
            let random = |place: u32, below: u32| draw.permute(case, place % below, below);
            let (classes, rows) = (1 + random(0, 40), 2 + random(1, 300));
            let labels: Vec<u32> =
                (0..rows).map(|row| draw.permute(case + 1000, row, rows)).collect();
            let labels: Vec<u32> = labels.into_iter().map(|label| label % classes).collect();
            let fraction = f64::from(1 + random(2, 999)) / 1000.0;
            let data = labelled(labels);
            let (train, validation) = data.split(fraction, u64::from(case)).unwrap();
            assert_eq!(train.len() + validation.len(), data.len());
            let wanted = (fraction * f64::from(rows)).round() as usize;
            assert_eq!(train.len(), wanted.clamp(1, data.len() - 1), "{rows} rows, {fraction}");
            for class in 0..classes {
                let share = fraction * count(&data, class) as f64;
                let got = count(&train, class) as f64;
                assert!((got - share).abs() < 1.0 + 1e-9, "{got} of {share}");
            }
        }
    }

    #[test]
    fn the_fraction_of_a_split_is_from_0_to_1() {
        let data = data::sine(10);
        assert_eq!(data.split(0.0, 0).unwrap().0.len(), 0);
        assert_eq!(data.split(1.0, 0).unwrap().0, data);
        for fraction in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(data.split(fraction, 0), Err(Error::Parameter { .. })), "{fraction}");
        }
    }
}
