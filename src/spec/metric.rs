//! Metrics: figures that say how good predictions are, without a gradient.

use std::fmt;

use crate::spec::Loss;

/// A figure over predictions and targets, averaged over rows or elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// The share of rows whose largest score is the target class (the first of equal ones).
    Accuracy,
    /// The share of elements on the target's side of `threshold`.
    BinaryAccuracy {
        /// The prediction from which on the answer is yes: 0.5 for probabilities, 0 for logits.
        threshold: f64,
    },
    /// The share of elements within `tolerance` of the target.
    RegressionAccuracy {
        /// The largest distance that counts, such as the targets' standard deviation / 250.
        tolerance: f64,
    },
    /// The mean squared error.
    Mse,
    /// The mean absolute error.
    Mae,
}

impl Metric {
    /// The metric that suits a loss; `deviation` is the standard deviation of the targets.
    pub fn suiting(loss: &Loss, deviation: f64) -> Self {
        match loss.threshold() {
            _ if loss.takes_classes() => Self::Accuracy,
            Some(threshold) => Self::BinaryAccuracy { threshold },
            None => Self::RegressionAccuracy { tolerance: deviation / 250.0 },
        }
    }

    /// The loss whose mean the metric is.
    pub(crate) fn loss(&self) -> Option<Loss> {
        match self {
            Self::Mse => Some(Loss::mse()),
            Self::Mae => Some(Loss::l1()),
            Self::Accuracy | Self::BinaryAccuracy { .. } | Self::RegressionAccuracy { .. } => None,
        }
    }

    /// Whether one element agrees with its target; `None` for metrics of whole rows.
    pub(crate) fn agrees(&self) -> Option<Agreement> {
        match *self {
            Self::Accuracy | Self::Mse | Self::Mae => None,
            Self::BinaryAccuracy { threshold } => Some(Agreement { side: true, limit: threshold }),
            Self::RegressionAccuracy { tolerance } => {
                Some(Agreement { side: false, limit: tolerance })
            }
        }
    }
}

/// An elementwise agreement: the same side of a limit as a target of 0.5, or within a limit of the target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreement {
    pub side: bool,
    pub limit: f64,
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accuracy => f.write_str("accuracy"),
            Self::BinaryAccuracy { threshold } => {
                write!(f, "binary_accuracy(threshold={threshold})")
            }
            Self::RegressionAccuracy { tolerance } => {
                write!(f, "regression_accuracy(tolerance={tolerance})")
            }
            Self::Mse => f.write_str("mse"),
            Self::Mae => f.write_str("mae"),
        }
    }
}
