//! Losses, and ops over class targets.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;
mod layout;
mod linear;
mod triplet;

pub(crate) use cpu::{BatchTargets, TargetSlot};
pub(crate) use layout::{LossLayout, has_weighted_mean};
pub(crate) use linear::LinearOutputs;

use crate::ir::{Effects, LossInputs, Operand, Slot};
use crate::spec::{Loss, Reduction};

/// A loss with its gradient, or an op over class targets.
#[derive(Clone, Debug, PartialEq)]
pub enum LossOp {
    /// The loss over the active rows of a step, and its gradient.
    Loss {
        loss: Loss,
        /// The reduction of the terms to the value.
        reduction: Reduction,
        /// The predictions, the target and the weights.
        inputs: LossInputs,
        /// One element, or with [`Reduction::None`] one per term.
        value: Slot,
        /// dL/d(input) for each prediction, 0 in inactive rows; empty if gradients are not wanted.
        gradients: Vec<Slot>,
    },
    /// `out` = the factor of each row's term in the value of a loss of class targets; 0 where the target is ignored or
    /// not a class, and in inactive rows.
    RowWeights {
        /// A class index per row.
        target: Slot,
        /// A weight per class; the mean divides by the weights of the targets.
        class_weight: Option<Slot>,
        /// The number of classes.
        classes: usize,
        /// The target to ignore.
        ignored: Option<u32>,
        /// The reduction of the terms to the value.
        reduction: Reduction,
        /// One element per row.
        out: Slot,
    },
    /// `out` = 1 at each row's class, 0 elsewhere and in inactive rows.
    OneHot {
        /// Class indices.
        target: Slot,
        /// One row per index.
        out: Slot,
    },
    /// Counts the class targets of active rows that are not a class.
    CheckClasses {
        /// Class indices.
        target: Slot,
        /// The number of classes.
        classes: usize,
        /// An index that is not a fault, although it is not a class.
        ignored: Option<u32>,
        /// The number of invalid targets: one element.
        count: Slot,
        /// The first row with an invalid target, exact below 2^24: one element, 0 if there is none.
        first: Slot,
    },
}

impl LossOp {
    pub fn name(&self) -> String {
        let lower = |reduction: &Reduction| format!("{reduction:?}").to_lowercase();
        match self {
            Self::Loss { loss, reduction, .. } => format!("loss.{loss}.{}", lower(reduction)),
            Self::RowWeights { reduction, .. } => format!("row_term_weights.{}", lower(reduction)),
            Self::OneHot { .. } => "one_hot".into(),
            Self::CheckClasses { classes, .. } => format!("check_classes({classes})"),
        }
    }

    /// The operands that the op reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let none = Effects::default();
        match self {
            Self::Loss { inputs, value, gradients, .. } => none
                .read(inputs.slots())
                .read([Operand::Step])
                .write([*value])
                .write(gradients.iter().copied()),
            Self::RowWeights { target, class_weight, out, .. } => {
                none.read([*target]).read(*class_weight).read([Operand::Step]).write([*out])
            }
            Self::OneHot { target, out } => {
                none.read([*target]).read([Operand::Step]).write([*out])
            }
            Self::CheckClasses { target, count, first, .. } => {
                none.read([*target]).read([Operand::Step]).write([*count, *first])
            }
        }
    }
}
