//! Gathering the rows of a step's batch, and ending a step.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

use crate::ir::{Effects, Operand, Slot};
use crate::random::Key;

/// An op that depends on the step's entry and counter.
#[derive(Clone, Debug, PartialEq)]
pub enum StepOp {
    /// `out` = rows of `data`, chosen by the step's entry; with a key, in that epoch's random order. Rows of `out`
    /// beyond the step's row count become 0.
    Gather {
        /// The data set.
        data: Slot,
        /// The batch.
        out: Slot,
        /// The key of the random order; without one the rows are in their own order.
        shuffle: Option<Key>,
    },
    /// Ends a step: appends these values to the metrics ring and advances the step counter.
    Record {
        /// Up to [`Op::MAX_RECORDED`](crate::ir::Op::MAX_RECORDED) slots of one element each.
        values: Vec<Slot>,
    },
}

impl StepOp {
    pub fn name(&self) -> String {
        match self {
            Self::Gather { shuffle: Some(_), .. } => "gather.shuffled".into(),
            Self::Gather { .. } => "gather.in_order".into(),
            Self::Record { .. } => "record".into(),
        }
    }

    /// The operands that the op reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let none = Effects::default();
        match self {
            Self::Gather { data, out, .. } => {
                none.read([*data]).read([Operand::Step]).write([*out])
            }
            Self::Record { values } => none.read(values.iter().copied()).update([Operand::Step]),
        }
    }
}
