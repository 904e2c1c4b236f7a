//! Metrics: measures of the quality of predictions, without a gradient.

use std::fmt;

use crate::error::{Error, Result};
use crate::spec::{Activation, Loss, Range};

/// A metric over predictions and targets, averaged over rows or elements.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Metric {
    /// The fraction of rows whose largest score is that of the target class; among equal scores the first counts as
    /// largest.
    Accuracy,
    /// The fraction of rows whose target class is among the `k` largest scores; among equal scores the first come
    /// first.
    TopK {
        /// The number of largest scores considered.
        k: usize,
    },
    /// The coefficient of determination: 1 - mean squared error / variance of the targets.
    R2 {
        /// The variance of the targets over the whole data set, so that the values of batches can be averaged; see
        /// [`Dataset::target_variance`](crate::Dataset::target_variance).
        variance: f64,
    },
    /// The fraction of elements on the same side of `threshold` as the target is of 0.5.
    BinaryAccuracy {
        /// The smallest prediction that counts as positive: 0.5 for probabilities, 0 for logits.
        threshold: f64,
    },
    /// The fraction of elements within `tolerance` of the target.
    RegressionAccuracy {
        /// The largest distance that counts as correct. That of the tutorials on regression is a 250th of the standard
        /// deviation of the targets: `data.target_variance().sqrt() / 250.0`.
        tolerance: f64,
    },
    /// The fraction of predictions that are not probabilities (below 0 or above 1); targets are not read.
    OutsideUnit,
    /// The mean squared error.
    Mse,
    /// The mean absolute error.
    Mae,
}

impl Metric {
    /// The default metrics for a loss over targets of this variance. R² needs a variance greater than 0.
    pub(crate) fn suiting(loss: &Loss, variance: f64) -> Vec<Self> {
        let r2 = Self::R2 { variance };
        match loss.threshold() {
            _ if loss.takes_classes() => vec![Self::Accuracy],
            Some(threshold) => vec![Self::BinaryAccuracy { threshold }],
            None if r2.validate().is_ok() => vec![r2, Self::Mae],
            None => vec![Self::Mae],
        }
    }

    /// The names of metrics in results: without parameters, except where they tell two of them apart.
    pub(crate) fn labels(metrics: &[Self]) -> impl Iterator<Item = String> {
        let short = |metric: &Self| match metric {
            Self::TopK { .. } => metric.to_string(),
            _ => metric.to_string().split('(').next().unwrap_or_default().to_string(),
        };
        metrics.iter().map(move |metric| {
            let is_alone =
                metrics.iter().filter(|other| short(other) == short(metric)).count() == 1;
            if is_alone { short(metric) } else { metric.to_string() }
        })
    }

    /// The metric that, computed from the input (logits) of `output`, equals this metric computed from its output.
    /// Exists where the metric depends only on the order of the scores or the side of a threshold.
    pub(crate) fn of_logits(&self, output: &Activation) -> Option<Self> {
        match (*self, output.name()) {
            (Self::BinaryAccuracy { threshold }, "sigmoid")
                if threshold > 0.0 && threshold < 1.0 =>
            {
                Some(Self::BinaryAccuracy { threshold: (threshold / (1.0 - threshold)).ln() })
            }
            (metric, "sigmoid" | "softmax" | "log_softmax") if metric.top().is_some() => {
                Some(metric)
            }
            _ => None,
        }
    }

    /// The loss whose mean equals the metric.
    pub(crate) fn loss(&self) -> Option<Loss> {
        match self {
            Self::Mse => Some(Loss::mse()),
            _ => None,
        }
    }

    /// The number of largest scores considered, for row-wise metrics.
    pub(crate) fn top(&self) -> Option<usize> {
        match *self {
            Self::Accuracy => Some(1),
            Self::TopK { k } => Some(k),
            _ => None,
        }
    }

    /// The comparison of one element with its target; `None` for row-wise metrics.
    pub(crate) fn agrees(&self) -> Option<Agreement> {
        let (mode, limit) = match *self {
            Self::BinaryAccuracy { threshold } => (Mode::Side, threshold),
            Self::RegressionAccuracy { tolerance } => (Mode::Near, tolerance),
            Self::R2 { variance } => (Mode::Explained, variance),
            Self::OutsideUnit => (Mode::Outside, 1.0),
            Self::Mae => (Mode::Distance, 0.0),
            _ => return None,
        };
        Some(Agreement { mode, limit })
    }

    /// Checks the metric's parameters.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a k of 0 or a variance that is not greater than 0.
    pub(crate) fn validate(&self) -> Result<()> {
        let op = format!("metric.{self}");
        match *self {
            Self::TopK { k: 0 } => Err(Error::parameter(op, "k", 0, "it must be at least 1")),
            Self::R2 { variance } => Range::POSITIVE.check(&op, "variance", variance),
            _ => Ok(()),
        }
    }
}

/// The comparison of an elementwise metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Within the limit of the target.
    Near,
    /// On the same side of the limit as the target is of 0.5.
    Side,
    /// 1 minus the squared error divided by the limit.
    Explained,
    /// Below 0 or above the limit.
    Outside,
    /// The absolute error; the limit is not read.
    Distance,
}

/// An elementwise comparison with its limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreement {
    pub mode: Mode,
    pub limit: f64,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accuracy => f.write_str("accuracy"),
            Self::TopK { k } => write!(f, "top_k(k={k})"),
            Self::R2 { variance } => write!(f, "r2(variance={variance})"),
            Self::BinaryAccuracy { threshold } => {
                write!(f, "binary_accuracy(threshold={threshold})")
            }
            Self::RegressionAccuracy { tolerance } => {
                write!(f, "regression_accuracy(tolerance={tolerance})")
            }
            Self::OutsideUnit => f.write_str("outside_unit"),
            Self::Mse => f.write_str("mse"),
            Self::Mae => f.write_str("mae"),
        }
    }
}
