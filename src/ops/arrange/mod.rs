//! Ops that move elements: copies and fills.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

pub(crate) use build::axis;

use crate::ir::{Effects, Slot};
use crate::walk::Walk;

/// An op that moves elements. Includes the inactive rows of a batch: every element is moved.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrangeOp {
    /// Writes `scale` times elements of `x` to elements of `out`; the others are unchanged. A scale of 1 copies bit by
    /// bit.
    Copy {
        /// The source.
        x: Slot,
        /// The destination.
        out: Slot,
        /// The iteration over the elements of `x` and `out`.
        walk: Walk<2>,
        /// The factor of the elements.
        scale: f64,
    },
    /// Fills every element of `out` with `value`.
    Fill {
        /// The destination.
        out: Slot,
        value: f64,
    },
}

impl ArrangeOp {
    pub fn name(&self) -> String {
        match self {
            Self::Copy { scale: 1.0, .. } => "copy".into(),
            Self::Copy { scale, .. } => format!("scale({scale})"),
            Self::Fill { value, .. } => format!("fill({value})"),
        }
    }

    /// The operands that the op reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let none = Effects::default();
        match self {
            Self::Copy { x, out, .. } => none.read([*x]).update([*out]),
            Self::Fill { out, .. } => none.write([*out]),
        }
    }
}
