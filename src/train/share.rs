//! What each batch counts for in the loss over several.

use crate::data::{Dataset, Targets};
use crate::nn::Goal;
use crate::program::{DType, StepEntry, has_weighted_mean};
use crate::random::Key;

/// What a batch's loss is multiplied by before it is added to those of others: what its mean divided by, so that the
/// mean of several batches is that of all their rows at once.
pub(super) struct Shares<'a> {
    /// The class of each row, where the mean divides by the weights of the classes.
    labels: Option<&'a [u32]>,
    class_weights: Option<&'a [f32]>,
    ignored: Option<u32>,
}

impl<'a> Shares<'a> {
    pub fn of(goal: &'a Goal, data: &'a Dataset) -> Self {
        let class_weights = goal.class_weights.as_deref();
        let labels = match data.targets() {
            Targets::Classes { labels, .. } => Some(labels.as_slice()),
            Targets::Values(_) => None,
        };
        let weighted = |_: &&[u32]| {
            has_weighted_mean(&goal.loss, goal.reduction, Some(DType::U32), class_weights.is_some())
        };
        let ignored = goal.loss.ignore_index();
        Self { labels: labels.filter(weighted), class_weights, ignored }
    }

    /// The share of a batch of these rows.
    pub fn rows(&self, rows: impl ExactSizeIterator<Item = usize>) -> f64 {
        let Some(labels) = self.labels else { return rows.len() as f64 };
        let weight = |row: usize| {
            let label = labels.get(row).copied().filter(|label| Some(*label) != self.ignored)?;
            let Some(weights) = self.class_weights else { return Some(1.0) };
            weights.get(label as usize).copied().map(f64::from)
        };
        rows.filter_map(weight).sum()
    }

    /// The share of a step's batch, its rows drawn in the order of the key.
    pub fn step(&self, entry: &StepEntry, order: Option<Key>) -> f64 {
        let source = |position| match order {
            Some(key) => key.permute(entry.epoch, position, entry.total) as usize,
            None => position as usize,
        };
        self.rows((entry.start..entry.start + entry.rows).map(source))
    }
}
