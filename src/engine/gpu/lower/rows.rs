//! The number of invocations (lanes) per row, and their reduction scope.

use super::sum::SUM;
use super::{Lowering, groups, turns};
use crate::engine::gpu::Class;
use crate::engine::gpu::kernel::{Lanes, Rows};
use crate::error::Result;
use crate::shape::Shape;
use crate::spec::Activation;
use crate::spec::activation::ActivationKind;

/// Invocations per workgroup of row-wise kernels.
pub(crate) const ROW: usize = 256;
/// The number of workgroups that is enough for a software adapter.
const ENOUGH: usize = 8;
/// The lanes of an llvmpipe vector.
const VECTOR: usize = 8;

/// The configuration of kernels that compute one sum per 1024 elements.
pub(crate) struct Blocks {
    /// The number of elements, and of lanes per block.
    pub fields: [(&'static str, usize); 2],
    /// The reduction scope of a block.
    pub lanes: Lanes,
    /// The number of workgroups.
    pub groups: u64,
}

impl Lowering<'_> {
    /// The number of lanes for a row of `cols` elements, of which each takes its lane `turns` loop iterations. On a
    /// software adapter, where barriers cost most of a row's time, this is one vector of lanes, unless there are too
    /// few rows to keep the adapter busy or a lane would need too many iterations.
    ///
    /// # Errors
    /// As [`Lowering::check_turns`].
    pub(crate) fn row_lanes(
        &self,
        what: &str,
        rows: usize,
        cols: usize,
        turns: usize,
    ) -> Result<usize> {
        let usual = lanes(cols);
        if self.gpu.choices().class != Class::Cpu {
            return Ok(usual);
        }
        let busy = (ENOUGH * ROW).div_ceil(rows.max(1)).next_power_of_two();
        let short = cols.saturating_mul(turns).div_ceil(turns::MOST).next_power_of_two();
        let lanes = usual.min(busy.max(short).clamp(VECTOR, ROW));
        self.check_turns(what, cols.div_ceil(lanes).saturating_mul(turns))?;
        Ok(lanes)
    }

    /// The number of lanes for a row of an activation.
    pub(crate) fn activation_lanes(
        &self,
        f: &Activation,
        rows: usize,
        cols: usize,
    ) -> Result<usize> {
        self.row_lanes(f.name(), rows, cols, turns_per_column(f, cols))
    }

    /// The configuration for summing `len` elements by blocks.
    pub(crate) fn blocks(&self, len: usize) -> Blocks {
        let lanes = if self.gpu.choices().class == Class::Cpu { VECTOR } else { ROW };
        let groups = groups(len, SUM * ROW / lanes);
        Blocks {
            fields: [("len", len), ("lanes", lanes)],
            lanes: self.reduction_scope(lanes),
            groups,
        }
    }

    /// The scope in which a row of `lanes` lanes is reduced.
    pub(crate) fn reduction_scope(&self, lanes: usize) -> Lanes {
        let choices = self.gpu.choices();
        match (lanes, choices.class) {
            (1, _) => Lanes::One,
            (VECTOR, Class::Cpu) if choices.subgroups => Lanes::Subgroup,
            // The assignment of lanes to subgroups is implementation-defined on a GPU.
            (ROW, Class::Integrated | Class::Discrete) if choices.subgroups => Lanes::Subgroups,
            _ => Lanes::Workgroup,
        }
    }

    /// The kernel variant for the rows of an activation.
    pub(crate) fn activation_rows(&self, f: &Activation, shape: Shape) -> Result<Rows> {
        if !matches!(f.entry().kind, ActivationKind::Row(_)) {
            return Ok(Rows::PLAIN);
        }
        let [outer, cols, inner] = shape.split(f.dim().unwrap_or(-1)).unwrap_or_default();
        let lanes = self.activation_lanes(f, outer * inner, cols)?;
        Ok(Rows::of(cols, inner, self.reduction_scope(lanes)))
    }
}

/// The loop iterations of a lane for each of its columns. An iteration processes four columns, and a row needs at most
/// four loops. Sparsemax is the exception: at most 13 + log2(cols) loops with eight columns per iteration.
fn turns_per_column(f: &Activation, cols: usize) -> usize {
    match f.name() == Activation::sparsemax().name() {
        true => (20 + cols.max(1).ilog2() as usize).div_ceil(7),
        false => 1,
    }
}

/// The number of lanes for a row: one for a short row, which then needs no reduction or barrier.
fn lanes(cols: usize) -> usize {
    match cols {
        0..=32 => 1,
        33..=256 => 8,
        257..=1024 => 32,
        _ => ROW,
    }
}
