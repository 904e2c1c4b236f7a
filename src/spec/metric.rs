//! Metrics: figures that say how good predictions are, without a gradient.

use std::fmt;

use crate::error::{Error, Result};
use crate::spec::{Activation, Loss, Range};

/// A figure over predictions and targets, averaged over rows or elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// The share of rows whose largest score is the target class (the first of equal ones).
    Accuracy,
    /// The share of rows whose target class is among the `k` largest scores (of equal ones the first).
    TopK {
        /// How many scores count.
        k: usize,
    },
    /// The coefficient of determination: 1 - mean squared error / variance of the targets.
    R2 {
        /// The variance of the targets over the whole data set, so that the figures of batches can be averaged; see
        /// [`Dataset::target_variance`](crate::Dataset::target_variance).
        variance: f64,
    },
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
    /// The share of predictions that are no probabilities, below 0 or above 1; it looks at no target.
    OutsideUnit,
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

    /// What gives of `output`'s input the figure that this metric gives of `output`'s output, where it looks at nothing
    /// but the order of scores or the side of a threshold.
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

    /// The loss whose mean the metric is.
    pub(crate) fn loss(&self) -> Option<Loss> {
        match self {
            Self::Mse => Some(Loss::mse()),
            Self::Mae => Some(Loss::l1()),
            _ => None,
        }
    }

    /// How many of the largest scores count, for metrics of whole rows.
    pub(crate) fn top(&self) -> Option<usize> {
        match *self {
            Self::Accuracy => Some(1),
            Self::TopK { k } => Some(k),
            _ => None,
        }
    }

    /// Whether one element agrees with its target; `None` for metrics of whole rows.
    pub(crate) fn agrees(&self) -> Option<Agreement> {
        let (mode, limit) = match *self {
            Self::BinaryAccuracy { threshold } => (Mode::Side, threshold),
            Self::RegressionAccuracy { tolerance } => (Mode::Near, tolerance),
            Self::R2 { variance } => (Mode::Explained, variance),
            Self::OutsideUnit => (Mode::Outside, 1.0),
            _ => return None,
        };
        Some(Agreement { mode, limit })
    }

    /// Checks the metric's own numbers.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a k of 0 or a variance that is not greater than 0.
    pub(crate) fn validate(&self) -> Result<()> {
        let op = format!("metric.{self}");
        match *self {
            Self::TopK { k: 0 } => {
                let (name, valid) = ("k".to_string(), "it must be at least 1".to_string());
                Err(Error::Parameter { op, name, value: 0.0, valid })
            }
            Self::R2 { variance } => Range::POSITIVE.check(&op, "variance", variance),
            _ => Ok(()),
        }
    }
}

/// What an elementwise metric compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Within a limit of the target.
    Near,
    /// On the same side of a limit as the target is of 0.5.
    Side,
    /// 1 less the squared distance as a share of the limit.
    Explained,
    /// Below 0 or above a limit.
    Outside,
}

/// An elementwise figure: what it compares, by which limit.
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
