//! Normalizations.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

use crate::program::{Effects, Operand, Slot};
use crate::spec::Normalization;

/// A normalization over a tensor that is seen as a matrix. Weight and bias have a number per column.
#[derive(Clone, Debug, PartialEq)]
pub enum NormOp {
    /// `out` = the normalized `x`, by the mean and variance of `x` itself.
    Forward {
        /// The normalization.
        f: Normalization,
        /// Its input; across rows only those that take part count, and the others become 0.
        x: Slot,
        /// What the results are multiplied by.
        weight: Option<Slot>,
        /// What is then added.
        bias: Option<Slot>,
        /// Its output.
        out: Slot,
    },
    /// Moves running means of the columns' means and sample variances by the momentum; the latter stay as they are
    /// where fewer than two rows take part, and both where none does.
    Track {
        /// The normalization.
        f: Normalization,
        /// Its input.
        x: Slot,
        /// Running mean and variance.
        running: [Slot; 2],
    },
    /// `out` = `x` normalized by a given mean and variance per column.
    Evaluate {
        /// The normalization.
        f: Normalization,
        /// Its input.
        x: Slot,
        /// Mean and variance.
        running: [Slot; 2],
        /// What the results are multiplied by.
        weight: Option<Slot>,
        /// What is then added.
        bias: Option<Slot>,
        /// Its output.
        out: Slot,
    },
    /// The gradients of [`NormOp::Forward`].
    Backward {
        /// The normalization.
        f: Normalization,
        /// Its input.
        x: Slot,
        /// What the results were multiplied by.
        weight: Option<Slot>,
        /// dL/dy.
        grad_out: Slot,
        /// dL/dx.
        grad_in: Slot,
        /// dL/d(weight), if it is wanted.
        grad_weight: Option<Slot>,
    },
}

impl NormOp {
    /// The tensor that is normalized.
    pub(crate) fn x(&self) -> Slot {
        match self {
            Self::Forward { x, .. }
            | Self::Track { x, .. }
            | Self::Evaluate { x, .. }
            | Self::Backward { x, .. } => *x,
        }
    }

    /// The op's name.
    pub fn name(&self) -> String {
        match self {
            Self::Forward { f, .. } => format!("norm.{}.forward", f.name()),
            Self::Track { f, .. } => format!("norm.{}.track", f.name()),
            Self::Evaluate { f, .. } => format!("norm.{}.evaluate", f.name()),
            Self::Backward { f, .. } => format!("norm.{}.backward", f.name()),
        }
    }

    /// What it reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let none = Effects::default();
        let step = |across: bool| across.then_some(Operand::Step);
        match self {
            Self::Forward { f, x, weight, bias, out } => none
                .read([*x])
                .read(*weight)
                .read(*bias)
                .read(step(f.is_across_rows()))
                .write([*out]),
            Self::Track { x, running, .. } => none.read([*x]).read(step(true)).update(*running),
            Self::Evaluate { x, running, weight, bias, out, .. } => {
                none.read([*x]).read(*running).read(*weight).read(*bias).write([*out])
            }
            Self::Backward { f, x, weight, grad_out, grad_in, grad_weight } => none
                .read([*x, *grad_out])
                .read(*weight)
                .read(step(f.is_across_rows()))
                .write([*grad_in])
                .write(*grad_weight),
        }
    }
}
