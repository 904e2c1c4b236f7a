//! What training and evaluation report.

use std::fmt;

use super::share::Share;
use crate::nn::{Objective, Record, RecordLayout};
use crate::program::Op;
use crate::spec::{Metric, Reduction};

/// The figures of a pass over data.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// The loss of the data alone: over all rows at once, however many batches they came in.
    pub data_loss: f64,
    /// The L1 and L2 penalties.
    pub penalty: f64,
    /// The metrics, in the order they were asked for.
    pub metrics: Vec<(String, f64)>,
}

impl Evaluation {
    /// Data loss and penalty together.
    pub fn loss(&self) -> f64 {
        self.data_loss + self.penalty
    }

    /// The first metric; NaN if there is none.
    pub fn accuracy(&self) -> f64 {
        self.metrics.first().map_or(f64::NAN, |(_, value)| *value)
    }
}

/// The figures of one epoch over its rows as they were trained on: metrics averaged over the rows, the loss as over all
/// of them at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// The epoch's number, from 0 at the trainer's creation.
    pub epoch: u64,
    /// Data loss and penalty together.
    pub loss: f64,
    /// The loss of the data alone.
    pub data_loss: f64,
    /// The L1 and L2 penalties.
    pub penalty: f64,
    /// The first metric; NaN if there is none.
    pub accuracy: f64,
    /// The learning rate of the epoch's last update.
    pub rate: f64,
    /// How many updates were skipped because gradients were not finite.
    pub skipped: u64,
    /// The figures on the validation data, in epochs that end with a validation.
    pub validation: Option<Evaluation>,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, loss, data_loss, penalty, accuracy, rate, .. } = self;
        write!(f, "epoch: {epoch}, acc: {accuracy:.3}, loss: {loss:.3} ")?;
        write!(
            f,
            "(data_loss: {data_loss:.3}, reg_loss: {penalty:.3}), lr: {}",
            significant(*rate)
        )?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        if let Some(validation) = &self.validation {
            write!(
                f,
                ", validation acc: {:.3}, loss: {:.3}",
                validation.accuracy(),
                validation.loss()
            )?;
        }
        Ok(())
    }
}

/// A number with at most six significant digits.
fn significant(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// The epochs of one call of `fit`, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// One record per epoch.
    pub epochs: Vec<Epoch>,
    /// Whether early stopping or a callback ended training before the last epoch.
    pub stopped_early: bool,
}

impl History {
    /// The last epoch.
    pub fn last(&self) -> Option<&Epoch> {
        self.epochs.last()
    }
}

/// Sums recorded figures, weighted by the rows they stand for; the first one, the loss, as its reduction asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    rows: f64,
    /// What the losses' own shares add up to.
    shares: f64,
    /// The sum of the losses, and their sum by shares.
    losses: [f64; 2],
    /// The sum of the penalties.
    penalties: f64,
    /// The rows that metrics count, and the sums of the metrics by them.
    counted: f64,
    metrics: [f64; Op::MAX_RECORDED],
}

impl Totals {
    pub fn add(&mut self, layout: &RecordLayout, record: &Record, rows: u32, batch: Share) {
        let (loss, penalty) = (layout.loss(record), layout.penalty(record));
        let [sum, by_share] = self.losses;
        self.losses = [sum + loss, by_share + loss * batch.loss];
        self.shares += batch.loss;
        self.rows += f64::from(rows);
        self.penalties += penalty * f64::from(rows);
        self.counted += batch.counted;
        for (total, metric) in self.metrics.iter_mut().zip(layout.metrics(record)) {
            *total += metric * batch.counted;
        }
    }

    /// The loss and the means of the others.
    pub fn evaluation(&self, objective: &Objective) -> Evaluation {
        // Without a row that counts, the mean of nothing is 0.
        let counted = if self.counted == 0.0 { 1.0 } else { self.counted };
        let means = self.metrics.into_iter().map(|total| total / counted);
        let [sum, by_share] = self.losses;
        let data_loss = match objective.reduction {
            Reduction::Sum => sum,
            // The mean of nothing is 0.
            _ if self.shares == 0.0 => by_share,
            _ => by_share / self.shares,
        };
        let penalty = if self.penalties == 0.0 { 0.0 } else { self.penalties / self.rows };
        let metrics = objective.metrics.iter().map(Metric::to_string).zip(means).collect();
        Evaluation { data_loss, penalty, metrics }
    }
}
