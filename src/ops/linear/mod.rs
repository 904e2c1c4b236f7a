//! Matrix products, and the addition and summation of rows.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

pub(crate) use gpu::{Fused, MatmulDispatch};

use crate::ir::{Effects, Form, Slot};

/// A matrix product, or one of the other ops of a linear layer.
#[derive(Clone, Debug, PartialEq)]
pub enum LinearOp {
    /// `out = a b`, either operand transposed; leading axes are batch axes, as [`Product`](crate::ir::Product) says.
    MatMul {
        /// The left operand.
        a: Slot,
        /// The right operand.
        b: Slot,
        /// The product, (m, n) for each index of the batch axes.
        out: Slot,
        /// The operand that is transposed, if any.
        form: Form,
    },
    /// Adds one row to every row of `out`, in place.
    AddRow {
        /// The row, one element per column.
        row: Slot,
        /// The matrix that it is added to.
        out: Slot,
    },
    /// `out` = the sum of the rows of `x`.
    SumRows {
        /// The matrix.
        x: Slot,
        /// The sum, one element per column.
        out: Slot,
    },
}

impl LinearOp {
    pub fn name(&self) -> String {
        match self {
            Self::MatMul { form, .. } => format!("matmul.{}", form.name()),
            Self::AddRow { .. } => "add_row".into(),
            Self::SumRows { .. } => "sum_rows".into(),
        }
    }

    /// The operands that the op reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let none = Effects::default();
        match self {
            Self::MatMul { a, b, out, .. } => none.read([*a, *b]).write([*out]),
            Self::AddRow { row, out } => none.read([*row]).update([*out]),
            Self::SumRows { x, out } => none.read([*x]).write([*out]),
        }
    }
}
