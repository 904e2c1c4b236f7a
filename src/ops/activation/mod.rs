//! Activations and their gradients, parametric ones included.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

use crate::ir::{Effects, Operand, Slot};
use crate::random::Key;
use crate::spec::Activation;
use crate::spec::activation::Order;

/// An activation or its gradient.
#[derive(Clone, Debug, PartialEq)]
pub enum ActivationOp {
    /// `out = f(x)`; in place if `out` is `x`.
    Forward {
        f: Activation,
        /// The key of its random numbers, if it draws any.
        key: Option<Key>,
        x: Slot,
        out: Slot,
    },
    /// `grad_in = f'(saved)^T grad_out`; `saved` is f's input or output, as its registry entry says.
    Backward {
        f: Activation,
        /// The order of the derivative.
        order: Order,
        /// The key of its random numbers, as in forward.
        key: Option<Key>,
        /// The tensor that forward saved for backward.
        saved: Slot,
        /// dL/dy.
        grad_out: Slot,
        /// dL/dx.
        grad_in: Slot,
    },
    /// `out = f(x)` for a parametric f.
    Parametric {
        f: Activation,
        x: Slot,
        /// The learned parameters.
        weight: Slot,
        /// The output, of the same shape.
        out: Slot,
    },
    /// The gradients of `f(x)` for a parametric f.
    ParametricBackward {
        f: Activation,
        x: Slot,
        /// The learned parameters.
        weight: Slot,
        /// dL/dy.
        grad_out: Slot,
        /// dL/dx.
        grad_in: Slot,
        /// dL/d(weight).
        grad_weight: Slot,
    },
}

impl ActivationOp {
    pub fn name(&self) -> String {
        match self {
            Self::Forward { f, .. } | Self::Parametric { f, .. } => {
                format!("activation.{f}.forward")
            }
            Self::Backward { f, order: Order::First, .. } | Self::ParametricBackward { f, .. } => {
                format!("activation.{f}.backward")
            }
            Self::Backward { f, .. } => format!("activation.{f}.second"),
        }
    }

    /// The operands that the op reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let none = Effects::default();
        match self {
            Self::Forward { key, x, out, .. } => {
                none.read([*x]).read(key.map(|_| Operand::Step)).write([*out])
            }
            Self::Backward { key, saved, grad_out, grad_in, .. } => {
                none.read([*saved, *grad_out]).read(key.map(|_| Operand::Step)).write([*grad_in])
            }
            Self::Parametric { x, weight, out, .. } => none.read([*x, *weight]).write([*out]),
            Self::ParametricBackward { x, weight, grad_out, grad_in, grad_weight, .. } => {
                none.read([*x, *weight, *grad_out]).write([*grad_in, *grad_weight])
            }
        }
    }
}
