//! The results of training and evaluation.

use std::fmt;

use super::batch_weight::BatchWeight;
use crate::ir::Op;
use crate::nn::{Objective, Record, RecordLayout};
use crate::spec::{Metric, Reduction};

/// The loss, penalty and metrics of a pass over data.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Evaluation {
    /// The loss without penalty, as over all rows at once, regardless of batches.
    pub data_loss: f64,
    /// The sum of the L1 and L2 penalties.
    pub penalty: f64,
    /// The names and values of the metrics, in the order in which they were requested: without parameters (`r2`), unless
    /// those tell two metrics apart.
    pub metrics: Vec<(String, f64)>,
}

impl Evaluation {
    /// The sum of data loss and penalty.
    pub fn loss(&self) -> f64 {
        self.data_loss + self.penalty
    }

    /// The first metric; NaN if there is none.
    pub fn accuracy(&self) -> f64 {
        self.metrics.first().map_or(f64::NAN, |(_, value)| *value)
    }

    /// The metric of this name, such as `r2` or `mae`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(own, _)| own == name).map(|(_, value)| *value)
    }
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_metrics(f, &self.metrics)?;
        write!(f, "loss: {}", Figure(self.loss()))
    }
}

/// The results of one epoch, measured on its batches while training: metrics averaged over the rows, the loss as over
/// all rows at once.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Epoch {
    /// The epoch's number, counted from 0 at the trainer's creation.
    pub epoch: u64,
    /// The sum of data loss and penalty.
    pub loss: f64,
    /// The loss without penalty.
    pub data_loss: f64,
    /// The sum of the L1 and L2 penalties.
    pub penalty: f64,
    /// The first metric; NaN if there is none.
    pub accuracy: f64,
    /// The names and values of the metrics, in the order in which they were requested.
    pub metrics: Vec<(String, f64)>,
    /// The learning rate of the epoch's last update.
    pub rate: f64,
    /// The number of updates skipped because gradients were not finite.
    pub skipped: u64,
    /// The results on the validation data, in epochs that end with a validation.
    pub validation: Option<Evaluation>,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, rate, .. } = self;
        let [loss, data_loss, penalty] = [self.loss, self.data_loss, self.penalty].map(Figure);
        write!(f, "epoch: {epoch}, ")?;
        write_metrics(f, &self.metrics)?;
        write!(f, "loss: {loss} (data_loss: {data_loss}, reg_loss: {penalty}), ")?;
        match rate.abs() {
            least if least < 1e-4 && least > 0.0 => write!(f, "lr: {:e}", significant(*rate))?,
            _ => write!(f, "lr: {}", significant(*rate))?,
        }
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        if let Some(validation) = &self.validation {
            write!(f, ", validation {validation}")?;
        }
        Ok(())
    }
}

/// Writes each metric by its name, accuracy as the textbooks shorten it.
fn write_metrics(f: &mut fmt::Formatter<'_>, metrics: &[(String, f64)]) -> fmt::Result {
    metrics.iter().try_for_each(|(name, value)| {
        let name = if name == "accuracy" { "acc" } else { name };
        write!(f, "{name}: {}, ", Figure(*value))
    })
}

/// A loss or metric with three digits after the point, or as many as show three significant ones.
pub(super) struct Figure(pub f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.abs() {
            size if size >= 1e6 => write!(f, "{:.3e}", self.0),
            size if size >= 0.1 || size == 0.0 => write!(f, "{:.3}", self.0),
            size if size >= 0.01 => write!(f, "{:.4}", self.0),
            size if size >= 0.001 => write!(f, "{:.5}", self.0),
            size if size > 0.0 => write!(f, "{:.2e}", self.0),
            _ => write!(f, "{:.3}", self.0),
        }
    }
}

/// Rounds to at most six significant digits.
fn significant(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// The epochs of one call of `fit`, in order.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct History {
    /// One entry per epoch.
    pub epochs: Vec<Epoch>,
    /// True if early stopping or a callback ended training before the last epoch.
    pub stopped_early: bool,
}

impl History {
    /// The last epoch.
    pub fn last(&self) -> Option<&Epoch> {
        self.epochs.last()
    }
}

/// Sums of recorded values: metrics and penalties weighted by rows, the loss as its reduction requires.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    rows: f64,
    /// The sum of the loss weights of the batches.
    batch_weights: f64,
    /// The sum of the losses, and their sum weighted by batch.
    losses: [f64; 2],
    /// The sum of the penalties, weighted by rows.
    penalties: f64,
    /// The number of rows that metrics count.
    counted: f64,
    metrics: [f64; Op::MAX_RECORDED],
}

impl Totals {
    pub(crate) fn add(
        &mut self,
        layout: &RecordLayout,
        record: &Record,
        rows: u32,
        batch: BatchWeight,
    ) {
        let (loss, penalty) = (layout.loss(record), layout.penalty(record));
        let [sum, weighted] = self.losses;
        self.losses = [sum + loss, weighted + loss * batch.loss];
        self.batch_weights += batch.loss;
        self.rows += f64::from(rows);
        self.penalties += penalty * f64::from(rows);
        self.counted += batch.counted;
        for (total, metric) in self.metrics.iter_mut().zip(layout.metrics(record)) {
            *total += metric * batch.counted;
        }
    }

    /// The loss by its reduction, and the means of penalty and metrics.
    pub(crate) fn evaluation(&self, objective: &Objective) -> Evaluation {
        // If no row counts, the metrics are 0.
        let counted = if self.counted == 0.0 { 1.0 } else { self.counted };
        let means = self.metrics.into_iter().map(|total| total / counted);
        let [sum, weighted] = self.losses;
        let data_loss = match objective.reduction {
            Reduction::Sum => sum,
            // If the weights add up to 0, the loss is 0.
            _ if self.batch_weights == 0.0 => weighted,
            _ => weighted / self.batch_weights,
        };
        let penalty = if self.penalties == 0.0 { 0.0 } else { self.penalties / self.rows };
        let metrics = Metric::labels(&objective.metrics).zip(means).collect();
        Evaluation { data_loss, penalty, metrics }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_told_in_significant_digits_and_its_metrics_by_name() {
        let mut epoch = Epoch {
            epoch: 7,
            loss: 1.4e-6,
            data_loss: 1.4e-6,
            penalty: 0.0,
            accuracy: 0.987_654,
            metrics: vec![("accuracy".into(), 0.987_654)],
            rate: 1e-5,
            skipped: 0,
            validation: None,
        };
        let text =
            "epoch: 7, acc: 0.988, loss: 1.40e-6 (data_loss: 1.40e-6, reg_loss: 0.000), lr: 1e-5";
        assert_eq!(epoch.to_string(), text);
        let metrics = vec![("r2".to_string(), 0.25)];
        epoch = Epoch { loss: 12.5, data_loss: 0.012_345, metrics, rate: 0.05, ..epoch };
        let text =
            "epoch: 7, r2: 0.250, loss: 12.500 (data_loss: 0.0123, reg_loss: 0.000), lr: 0.05";
        assert_eq!(epoch.to_string(), text);
    }
}
