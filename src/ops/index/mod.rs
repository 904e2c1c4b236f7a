//! What goes by indices.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

use crate::program::{Effects, Slot};

/// An op that goes by indices. Knows no rows of a batch: every element takes part.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexOp {
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

impl IndexOp {
    /// The op's name.
    pub fn name(&self) -> String {
        match self {
            Self::GatherRows { .. } => "gather_rows".into(),
            Self::ScatterAdd { .. } => "scatter_add".into(),
            Self::ToIndex { .. } => "to_index".into(),
        }
    }

    /// What it reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let none = Effects::default();
        match self {
            Self::GatherRows { table, index, out, .. } => none.read([*table, *index]).write([*out]),
            Self::ScatterAdd { x, index, out, .. } => none.read([*x, *index]).update([*out]),
            Self::ToIndex { x, out } => none.read([*x]).write([*out]),
        }
    }
}
