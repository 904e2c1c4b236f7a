//! The weight of a batch in the loss over several batches.

use crate::data::{Dataset, Targets};
use crate::ir::{DType, StepEntry};
use crate::nn::Objective;
use crate::ops::loss::has_weighted_mean;
use crate::random::Key;

/// The weights of a batch in the means over several batches.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchWeight {
    pub loss: f64,
    /// The number of rows that metrics count: those that the loss does not ignore.
    pub counted: f64,
}

/// Computes batch weights. A batch's loss is weighted by the divisor of its own mean, so that the weighted mean over
/// several batches equals the mean over all their rows.
pub(super) struct BatchWeights<'a> {
    /// The class of each row.
    labels: Option<&'a [u32]>,
    /// True if the mean divides by the weights of the classes.
    weighted: bool,
    class_weights: Option<&'a [f32]>,
    ignored: Option<u32>,
}

impl<'a> BatchWeights<'a> {
    pub(crate) fn of(objective: &'a Objective, data: &'a Dataset) -> Self {
        let class_weights = objective.class_weights.as_deref();
        let labels = match data.targets() {
            Targets::Classes { labels, .. } => Some(labels.as_slice()),
            Targets::Values(_) => None,
        };
        let dtype = labels.map(|_| DType::U32);
        let weighted =
            has_weighted_mean(&objective.loss, objective.reduction, dtype, class_weights.is_some());
        let ignored = objective.loss.ignore_index();
        let asked = weighted || ignored.is_some();
        Self { labels: labels.filter(|_| asked), weighted, class_weights, ignored }
    }

    /// The weights of a batch of these rows.
    pub(crate) fn rows(&self, rows: impl ExactSizeIterator<Item = usize>) -> BatchWeight {
        let count = rows.len() as f64;
        let Some(labels) = self.labels else { return BatchWeight { loss: count, counted: count } };
        let labels = rows.filter_map(|row| labels.get(row).copied());
        let counted = labels.filter(|label| Some(*label) != self.ignored);
        let add = |[rows, weights]: [f64; 2], label| [rows + 1.0, weights + self.weight(label)];
        let [counted, weights] = counted.fold([0.0; 2], add);
        BatchWeight { loss: if self.weighted { weights } else { count }, counted }
    }

    fn weight(&self, label: u32) -> f64 {
        let own = |weights: &[f32]| weights.get(label as usize).copied().map_or(0.0, f64::from);
        self.class_weights.map_or(1.0, own)
    }

    /// The weights of a step's batch, whose rows are taken in the random order of the key, if any.
    pub(crate) fn step(&self, entry: &StepEntry, order: Option<Key>) -> BatchWeight {
        let source = |position| match order {
            Some(key) => key.permute(entry.epoch, position, entry.total) as usize,
            None => position as usize,
        };
        self.rows((entry.start..entry.start + entry.rows).map(source))
    }
}
