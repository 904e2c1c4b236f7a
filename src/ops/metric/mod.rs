//! Metrics.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

use crate::ir::{Effects, Operand, Slot};
use crate::spec::Metric;

/// The mean of a metric over the active rows of a step, or, for metrics that have one, the term of each row.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricOp {
    pub metric: Metric,
    pub prediction: Slot,
    /// The targets, as for losses.
    pub target: Slot,
    /// One element, or one per row.
    pub value: Slot,
}

impl MetricOp {
    pub fn name(&self) -> String {
        format!("metric.{}", self.metric)
    }

    /// The operands that the op reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let read = [self.prediction, self.target];
        Effects::default().read(read).read([Operand::Step]).write([self.value])
    }
}
