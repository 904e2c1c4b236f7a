//! Losses, and what class targets are turned into.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
mod inputs;
pub(crate) mod kernels;
mod linear;
mod triplet;

pub(crate) use cpu::{Target, Targets};
pub use inputs::LossInputs;
pub(crate) use inputs::{Layout, has_weighted_mean};
pub(crate) use linear::LinearOutputs;
pub use linear::{LinearInputs, LinearLoss};
pub use triplet::TripletDistances;

use crate::program::{Effects, Operand, Slot};
use crate::spec::{Loss, Reduction};

/// A loss with its gradient, or an op over class targets.
#[derive(Clone, Debug, PartialEq)]
pub enum LossOp {
    /// The loss over the rows that take part in this step, and its gradient.
    Loss {
        /// The loss.
        loss: Loss,
        /// How terms become the value.
        reduction: Reduction,
        /// The predictions, the target, weights.
        inputs: LossInputs,
        /// One number, or with [`Reduction::None`] one per term.
        value: Slot,
        /// dL/d(input) for each prediction, 0 in rows that take no part; none if they are not wanted.
        gradients: Vec<Slot>,
    },
    /// `out` = what each row's term is multiplied by in the value of a loss of class targets; 0 where the target is the
    /// ignored one, no class, or of a row that takes no part.
    RowShares {
        /// A class index per row.
        target: Slot,
        /// A weight per class, which the mean divides by.
        class_weight: Option<Slot>,
        /// How many classes there are.
        classes: usize,
        /// The target to be ignored.
        ignored: Option<u32>,
        /// How terms become the value.
        reduction: Reduction,
        /// One number per row.
        out: Slot,
    },
    /// `out` = 1 at each row's class, 0 elsewhere and in rows that take no part.
    OneHot {
        /// Class indices.
        target: Slot,
        /// A row per index.
        out: Slot,
    },
    /// Counts the class targets, among the rows that take part, that are no class.
    CheckClasses {
        /// Class indices.
        target: Slot,
        /// How many classes there are.
        classes: usize,
        /// An index that is no fault.
        ignored: Option<u32>,
        /// How many are no class: one number.
        count: Slot,
        /// The first row of those, exact below 2^24: one number, 0 if there is none.
        first: Slot,
    },
}

impl LossOp {
    /// The op's name.
    pub fn name(&self) -> String {
        let lower = |reduction: &Reduction| format!("{reduction:?}").to_lowercase();
        match self {
            Self::Loss { loss, reduction, .. } => format!("loss.{loss}.{}", lower(reduction)),
            Self::RowShares { reduction, .. } => format!("row_shares.{}", lower(reduction)),
            Self::OneHot { .. } => "one_hot".into(),
            Self::CheckClasses { classes, .. } => format!("check_classes({classes})"),
        }
    }

    /// What it reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let none = Effects::default();
        match self {
            Self::Loss { inputs, value, gradients, .. } => none
                .read(inputs.slots())
                .read([Operand::Step])
                .write([*value])
                .write(gradients.iter().copied()),
            Self::RowShares { target, class_weight, out, .. } => {
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
