//! The ops that move, combine and reduce tensors, between those with names of their own.

use super::{Op, Program, Slot};
use crate::spec::{Arithmetic, Reduce};
use crate::walk::Walk;

/// An op over tensors that knows no rows of a batch: every element takes part.
#[derive(Clone, Debug, PartialEq)]
pub enum TensorOp {
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
    /// `out = f(alpha a, b)`, element by element.
    Arithmetic {
        /// The operation.
        f: Arithmetic,
        /// What `a` is multiplied by.
        alpha: f64,
        /// The left operand.
        a: Slot,
        /// The right operand.
        b: Slot,
        /// The result.
        out: Slot,
        /// The elements of `a`, `b` and `out`.
        walk: Walk<3>,
    },
    /// `out` = `scale` times the reduction of `x` along the middle one of three axes.
    Reduce {
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
    ReduceBackward {
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
    /// `out` = the rows of `table` of these indices; 0 for an index beyond it.
    GatherRows {
        /// The rows, one after the other.
        table: Slot,
        /// Which ones.
        index: Slot,
        /// As many rows as indices.
        out: Slot,
        /// Elements of a row.
        cols: usize,
    },
    /// Adds each row of `x` to the row of `out` of its index, in a fixed order; an index beyond it is left out.
    ScatterAdd {
        /// As many rows as indices.
        x: Slot,
        /// Where they go.
        index: Slot,
        /// What they are added to.
        out: Slot,
        /// Elements of a row.
        cols: usize,
    },
    /// `out` = the whole numbers of `x` as indices; for anything else `u32::MAX`, which no table has.
    ToIndex {
        /// Numbers.
        x: Slot,
        /// Indices.
        out: Slot,
    },
}

impl TensorOp {
    /// The op's name.
    pub fn name(&self) -> String {
        match self {
            Self::Copy { scale: 1.0, .. } => "copy".into(),
            Self::Copy { scale, .. } => format!("scale({scale})"),
            Self::Fill { value, .. } => format!("fill({value})"),
            Self::Arithmetic { f, alpha: 1.0, .. } => f.name().into(),
            Self::Arithmetic { f, alpha, .. } => format!("{}(alpha={alpha})", f.name()),
            Self::Reduce { f, .. } => format!("reduce.{}", f.name()),
            Self::ReduceBackward { f, .. } => format!("reduce.{}.backward", f.name()),
            Self::GatherRows { .. } => "gather_rows".into(),
            Self::ScatterAdd { .. } => "scatter_add".into(),
            Self::ToIndex { .. } => "to_index".into(),
        }
    }
}

impl Program {
    pub(super) fn push_tensor(&mut self, op: TensorOp) {
        self.ops.push(Op::Tensor(op));
    }
}
