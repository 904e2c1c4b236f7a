//! Matrix products, and the addition and summation of rows.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;
mod product;

pub(crate) use gpu::{Fused, MatmulDispatch};
pub use product::{MAX_BATCH_AXES, Product};

use crate::program::{Effects, Slot};

/// The operands of a matrix product that are transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// `a b`: a is (m, k), b is (k, n).
    NN,
    /// `a b^T`: a is (m, k), b is (n, k).
    NT,
    /// `a^T b`: a is (k, m), b is (k, n).
    TN,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::NN, Self::NT, Self::TN];

    /// The lower-case name: `nn`, `nt`, `tn`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NN => "nn",
            Self::NT => "nt",
            Self::TN => "tn",
        }
    }

    /// The products that give the gradients with respect to a and b of a product of this form, from its upstream
    /// gradient `g`.
    pub(crate) const fn gradients(self, a: Slot, b: Slot, g: Slot) -> [(Slot, Slot, Self); 2] {
        match self {
            Self::NN => [(g, b, Self::NT), (a, g, Self::TN)],
            Self::NT => [(g, b, Self::NN), (g, a, Self::TN)],
            Self::TN => [(b, g, Self::NT), (a, g, Self::NN)],
        }
    }

    /// The sizes (m, k, n) of the product of an (ar, ac) and a (br, bc) matrix, if their inner dimensions agree.
    pub const fn sides(
        self,
        (ar, ac): (usize, usize),
        (br, bc): (usize, usize),
    ) -> Option<[usize; 3]> {
        let (m, k, inner, n) = match self {
            Self::NN => (ar, ac, br, bc),
            Self::NT => (ar, ac, bc, br),
            Self::TN => (ac, ar, br, bc),
        };
        if k == inner { Some([m, k, n]) } else { None }
    }
}

/// A matrix product, or one of the other ops of a linear layer.
#[derive(Clone, Debug, PartialEq)]
pub enum LinearOp {
    /// `out = a b`, either operand transposed; leading axes are batch axes, as [`Product`] says.
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
    /// The op's name.
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
