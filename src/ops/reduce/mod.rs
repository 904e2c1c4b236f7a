//! Reductions along axes.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

use crate::ir::{Effects, Slot};
use crate::spec::Reduce;
use crate::walk::Walk;

/// A reduction or its gradient. Includes the inactive rows of a batch: every element is reduced.
#[derive(Clone, Debug, PartialEq)]
pub enum ReduceOp {
    /// `out` = `scale` times the reduction of `x` along the middle one of three axes.
    Forward {
        /// The reduction.
        f: Reduce,
        x: Slot,
        /// The result.
        out: Slot,
        /// The three axes of `x`, each merged from adjacent axes.
        split: [usize; 3],
        /// The factor of the results.
        scale: f64,
    },
    /// dL/dx of a reduction from its input, its result and dL/d(result). Elements that tie for the result each get the
    /// whole gradient; the caller divides it among them.
    Backward {
        /// The reduction.
        f: Reduce,
        x: Slot,
        /// The result.
        y: Slot,
        /// dL/dy.
        grad_out: Slot,
        /// dL/dx.
        grad_in: Slot,
        /// The iteration over the elements of `x`, of `y` and `grad_out`, and of `grad_in`.
        walk: Walk<3>,
    },
}

impl ReduceOp {
    pub fn name(&self) -> String {
        match self {
            Self::Forward { f, .. } => format!("reduce.{}", f.name()),
            Self::Backward { f, .. } => format!("reduce.{}.backward", f.name()),
        }
    }

    /// The operands that the op reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let none = Effects::default();
        match self {
            Self::Forward { x, out, .. } => none.read([*x]).write([*out]),
            Self::Backward { x, y, grad_out, grad_in, .. } => {
                none.read([*x, *y, *grad_out]).write([*grad_in])
            }
        }
    }
}
