//! Gathering and scattering rows by index.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;

use crate::ir::{Effects, Slot};

/// An op that gathers or scatters by index. Includes the inactive rows of a batch: every element is computed.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexOp {
    /// `out` = the rows of `table` at these indices; 0 for an index out of range.
    GatherRows {
        /// The table of rows.
        table: Slot,
        /// The indices of the rows.
        index: Slot,
        /// The result, one row per index.
        out: Slot,
        /// The number of elements of a row.
        cols: usize,
    },
    /// Adds each row of `x` to the row of `out` at its index, in a fixed order; an index out of range is skipped.
    ScatterAdd {
        /// The rows to add, one per index.
        x: Slot,
        /// The indices of the rows of `out`.
        index: Slot,
        /// The table that is added to.
        out: Slot,
        /// The number of elements of a row.
        cols: usize,
    },
    /// `out` = the integers of `x` as indices; `u32::MAX` for anything else, which is out of range for every table.
    ToIndex {
        /// The values.
        x: Slot,
        /// The indices.
        out: Slot,
    },
}

impl IndexOp {
    pub fn name(&self) -> String {
        match self {
            Self::GatherRows { .. } => "gather_rows".into(),
            Self::ScatterAdd { .. } => "scatter_add".into(),
            Self::ToIndex { .. } => "to_index".into(),
        }
    }

    /// The operands that the op reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        let none = Effects::default();
        match self {
            Self::GatherRows { table, index, out, .. } => none.read([*table, *index]).write([*out]),
            Self::ScatterAdd { x, index, out, .. } => none.read([*x, *index]).update([*out]),
            Self::ToIndex { x, out } => none.read([*x]).write([*out]),
        }
    }
}
