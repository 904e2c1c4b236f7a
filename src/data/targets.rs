//! Targets: values or classes.

use ndarray::{Array1, Array2, Axis};

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

    pub(super) fn select(&self, rows: &[usize]) -> Self {
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

/// One value per row.
impl From<Array1<f32>> for Targets {
    fn from(values: Array1<f32>) -> Self {
        Self::Values(values.insert_axis(Axis(1)))
    }
}

/// One row of values per row.
impl<const N: usize> From<Vec<[f32; N]>> for Targets {
    fn from(values: Vec<[f32; N]>) -> Self {
        Self::Values(values.into())
    }
}

/// One class per row; there are as many as the largest requires.
impl From<Vec<u32>> for Targets {
    fn from(labels: Vec<u32>) -> Self {
        let classes = labels.iter().max().map_or(0, |&most| most as usize + 1);
        Self::Classes { labels, classes }
    }
}

/// Fails for a label that is not below the number of classes.
pub(super) fn check_labels(labels: &[u32], classes: usize, ignored: Option<u32>) -> Result<()> {
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
