//! Moving elements: nothing is computed but where one goes.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

pub(crate) use build::axis;

use crate::program::{Effects, Slot};
use crate::walk::Walk;

/// An op that moves elements. Knows no rows of a batch: every element takes part.
#[derive(Clone, Debug, PartialEq)]
pub enum ArrangeOp {
    /// Writes `scale` times elements of `x` to elements of `out`; the others stay as they are. A scale of 1 copies bits.
    Copy {
        /// What is copied.
        x: Slot,
        /// Where to.
        out: Slot,
        /// The elements of `x` and of `out`.
        walk: Walk<2>,
        /// What they are multiplied by.
        scale: f64,
    },
    /// Every element of `out` becomes `value`.
    Fill {
        /// What is filled.
        out: Slot,
        /// With this.
        value: f64,
    },
}

impl ArrangeOp {
    /// The op's name.
    pub fn name(&self) -> String {
        match self {
            Self::Copy { scale: 1.0, .. } => "copy".into(),
            Self::Copy { scale, .. } => format!("scale({scale})"),
            Self::Fill { value, .. } => format!("fill({value})"),
        }
    }

    /// What it reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let none = Effects::default();
        match self {
            Self::Copy { x, out, .. } => none.read([*x]).update([*out]),
            Self::Fill { out, .. } => none.write([*out]),
        }
    }
}
