//! Reductions along axes.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

use crate::program::{Effects, Slot};
use crate::spec::Reduce;
use crate::walk::Walk;

/// A reduction or its gradient. Knows no rows of a batch: every element takes part.
#[derive(Clone, Debug, PartialEq)]
pub enum ReduceOp {
    /// `out` = `scale` times the reduction of `x` along the middle one of three axes.
    Forward {
        /// The reduction.
        f: Reduce,
        /// What is reduced.
        x: Slot,
        /// The results.
        out: Slot,
        /// The three axes of `x`, each standing for some that lie side by side.
        split: [usize; 3],
        /// What the results are multiplied by.
        scale: f64,
    },
    /// dL/dx of a reduction from its input, its result and dL/d(result); where the gradient is to be shared among
    /// equals, each of them takes all of it.
    Backward {
        /// The reduction.
        f: Reduce,
        /// Its input.
        x: Slot,
        /// Its result.
        y: Slot,
        /// dL/dy.
        grad_out: Slot,
        /// dL/dx.
        grad_in: Slot,
        /// The elements of `x`, of `y` and `grad_out`, and of `grad_in`.
        walk: Walk<3>,
    },
}

impl ReduceOp {
    /// The op's name.
    pub fn name(&self) -> String {
        match self {
            Self::Forward { f, .. } => format!("reduce.{}", f.name()),
            Self::Backward { f, .. } => format!("reduce.{}.backward", f.name()),
        }
    }

    /// What it reads and changes.
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
