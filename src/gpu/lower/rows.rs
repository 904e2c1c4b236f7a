//! How many invocations share a row, and how.

use super::sum::SUM;
use super::{Lowering, groups, turns};
use crate::error::Result;
use crate::gpu::Class;
use crate::gpu::kernel::{Lanes, Rows};
use crate::shape::Shape;
use crate::spec::Activation;
use crate::spec::activation::ActivationKind;

/// Invocations per workgroup of row-wise kernels.
pub(crate) const ROW: usize = 256;
/// How many workgroups are enough for a software adapter.
const ENOUGH: usize = 8;
/// The lanes of a vector of llvmpipe's.
const VECTOR: usize = 8;

/// How the kernels that give a sum per 1024 numbers go about them.
pub(crate) struct Blocks {
    /// How many numbers there are, and how many lanes share a block.
    pub fields: [(&'static str, usize); 2],
    /// How the lanes of a block meet.
    pub lanes: Lanes,
    /// How many workgroups it takes.
    pub groups: u64,
}

impl Lowering<'_> {
    /// How many lanes share a row of `cols` numbers that takes a lane so many turns for each of its own. On a software
    /// adapter, where waiting for each other costs most of a row's time, only as many as one vector has, unless there are
    /// too few rows to go round or the turns would be too many.
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

    /// The lanes of a row of an activation.
    pub(crate) fn activation_lanes(
        &self,
        f: &Activation,
        rows: usize,
        cols: usize,
    ) -> Result<usize> {
        self.row_lanes(f.name(), rows, cols, turns_per_column(f, cols))
    }

    /// How `len` numbers are summed by blocks.
    pub(crate) fn blocks(&self, len: usize) -> Blocks {
        let lanes = if self.gpu.choices().class == Class::Cpu { VECTOR } else { ROW };
        let groups = groups(len, SUM * ROW / lanes);
        Blocks { fields: [("len", len), ("lanes", lanes)], lanes: self.meeting(lanes), groups }
    }

    /// How so many lanes of a row meet.
    pub(crate) fn meeting(&self, lanes: usize) -> Lanes {
        let choices = self.gpu.choices();
        match (lanes, choices.class) {
            (1, _) => Lanes::One,
            (VECTOR, Class::Cpu) if choices.subgroups => Lanes::Subgroup,
            // Which lanes of a GPU's workgroup are a subgroup is its own affair.
            (ROW, Class::Integrated | Class::Discrete) if choices.subgroups => Lanes::Subgroups,
            _ => Lanes::Workgroup,
        }
    }

    /// How a kernel goes about the rows of an activation.
    pub(crate) fn activation_rows(&self, f: &Activation, shape: Shape) -> Result<Rows> {
        if !matches!(f.entry().kind, ActivationKind::Row(_)) {
            return Ok(Rows::PLAIN);
        }
        let [outer, cols, inner] = shape.split(f.dim().unwrap_or(-1)).unwrap_or_default();
        let lanes = self.activation_lanes(f, outer * inner, cols)?;
        Ok(Rows::of(cols, inner, self.meeting(lanes)))
    }
}

/// The turns of a lane for each of its columns. A loop takes four a turn, and a row at most four loops, but for those of
/// sparsemax: 13 + log2(cols) at most that take eight.
fn turns_per_column(f: &Activation, cols: usize) -> usize {
    match f.name() == Activation::sparsemax().name() {
        true => (20 + cols.max(1).ilog2() as usize).div_ceil(7),
        false => 1,
    }
}

/// How many lanes share a row: one for a short row, for then nothing is shared and the lanes need not wait for each other.
fn lanes(cols: usize) -> usize {
    match cols {
        0..=32 => 1,
        33..=256 => 8,
        257..=1024 => 32,
        _ => ROW,
    }
}
