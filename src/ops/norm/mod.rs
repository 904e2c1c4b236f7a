//! Normalizations.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

use crate::ir::{Effects, Operand, Slot};
use crate::spec::Normalization;

/// A normalization of a tensor that is seen as a matrix. Weight and bias have one element per column.
#[derive(Clone, Debug, PartialEq)]
pub enum NormOp {
    /// `out` = `x` normalized by its own mean and variance.
    Forward {
        /// The normalization.
        f: Normalization,
        /// The input. A normalization across rows uses the active rows only; the others become 0.
        x: Slot,
        /// The factor of the normalized values, per column.
        weight: Option<Slot>,
        /// The term added after that, per column.
        bias: Option<Slot>,
        out: Slot,
    },
    /// Updates running means of the columns' means and sample variances by the momentum. The variances are unchanged if
    /// fewer than two rows are active, and both if none is.
    Track {
        /// The normalization.
        f: Normalization,
        x: Slot,
        /// The running mean and variance.
        running: [Slot; 2],
    },
    /// `out` = `x` normalized by a given mean and variance per column.
    Evaluate {
        /// The normalization.
        f: Normalization,
        x: Slot,
        /// The mean and variance.
        running: [Slot; 2],
        /// The factor of the normalized values, per column.
        weight: Option<Slot>,
        /// The term added after that, per column.
        bias: Option<Slot>,
        out: Slot,
    },
    /// The gradients of [`NormOp::Forward`].
    Backward {
        /// The normalization.
        f: Normalization,
        x: Slot,
        /// The factor of the normalized values, per column.
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

    pub fn name(&self) -> String {
        match self {
            Self::Forward { f, .. } => format!("norm.{}.forward", f.name()),
            Self::Track { f, .. } => format!("norm.{}.track", f.name()),
            Self::Evaluate { f, .. } => format!("norm.{}.evaluate", f.name()),
            Self::Backward { f, .. } => format!("norm.{}.backward", f.name()),
        }
    }

    /// The operands that the op reads and changes.
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
