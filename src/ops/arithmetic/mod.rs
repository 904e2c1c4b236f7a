//! Elementwise arithmetic.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

pub(crate) use gradient::add;

use crate::ir::{Effects, Slot};
use crate::spec::Arithmetic;
use crate::walk::Walk;

/// `out = f(alpha a, b)`, elementwise. Includes the inactive rows of a batch: every element is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct ArithmeticOp {
    /// The operation.
    pub f: Arithmetic,
    /// The factor of `a`.
    pub alpha: f64,
    /// The left operand.
    pub a: Slot,
    /// The right operand.
    pub b: Slot,
    /// The result.
    pub out: Slot,
    /// The iteration over the elements of `a`, `b` and `out`.
    pub walk: Walk<3>,
}

impl ArithmeticOp {
    pub fn name(&self) -> String {
        match self.alpha {
            1.0 => self.f.name().into(),
            alpha => format!("{}(alpha={alpha})", self.f.name()),
        }
    }

    /// The operands that the op reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        Effects::default().read([self.a, self.b]).write([self.out])
    }
}
