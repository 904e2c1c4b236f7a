//! How many invocations share a row, and how.

use super::ops::SUM;
use super::{Lowering, groups};
use crate::gpu::Class;
use crate::gpu::kernel::{Lanes, Rows};
use crate::shape::Shape;
use crate::spec::Activation;

/// Invocations per workgroup of row-wise kernels.
pub(super) const ROW: usize = 256;
/// The most columns that one lane takes: llvmpipe ends an invocation's loops after 65 535 turns in all.
const MOST_PER_LANE: usize = 60_000;
/// How many workgroups are enough for a software adapter.
const ENOUGH: usize = 8;
/// The lanes of a vector of llvmpipe's.
const VECTOR: usize = 8;

/// How the kernels that give a sum per 1024 numbers go about them.
pub(super) struct Blocks {
    /// What their parameters begin with.
    pub fields: [u32; 2],
    /// How the lanes of a block meet.
    pub lanes: Lanes,
    /// How many workgroups it takes.
    pub groups: u64,
}

impl Lowering<'_> {
    /// How many lanes share a row of `cols` numbers. On a software adapter, where waiting for each other costs most of a
    /// row's time, only as many as one vector has, unless there are too few rows to go round.
    pub(super) fn row_lanes(&self, rows: usize, cols: usize) -> usize {
        let usual = lanes(cols);
        if self.gpu.choices().class != Class::Cpu {
            return usual;
        }
        let busy = (ENOUGH * ROW).div_ceil(rows.max(1)).next_power_of_two();
        let short = cols.div_ceil(MOST_PER_LANE).next_power_of_two();
        usual.min(busy.max(short).clamp(VECTOR, ROW))
    }

    /// How `len` numbers are summed by blocks.
    pub(super) fn blocks(&self, len: usize) -> Blocks {
        let lanes = if self.gpu.choices().class == Class::Cpu { VECTOR } else { ROW };
        let [len_word, lanes_word] = [len, lanes].map(|word| word as u32);
        let groups = groups(len, SUM * ROW / lanes);
        Blocks { fields: [len_word, lanes_word], lanes: self.meeting(lanes), groups }
    }

    /// How so many lanes of a row meet.
    pub(super) fn meeting(&self, lanes: usize) -> Lanes {
        let choices = self.gpu.choices();
        match (lanes, choices.class) {
            (1, _) => Lanes::One,
            (VECTOR, Class::Cpu) if choices.subgroups => Lanes::Subgroup,
            // Which lanes of a GPU's workgroup are a subgroup is its own affair.
            (ROW, Class::Integrated | Class::Discrete) if choices.subgroups => Lanes::Subgroups,
            _ => Lanes::Workgroup,
        }
    }

    /// How a kernel goes about `rows` rows of `cols` numbers `inner` apart.
    pub(super) fn rows(&self, rows: usize, cols: usize, inner: usize) -> Rows {
        Rows::of(cols, inner, self.meeting(self.row_lanes(rows, cols)))
    }

    /// The same for an activation of a tensor.
    pub(super) fn activation_rows(&self, f: &Activation, shape: Shape) -> Rows {
        let [outer, cols, inner] = shape.split(f.dim().unwrap_or(-1)).unwrap_or_default();
        self.rows(outer * inner, cols, inner)
    }
}

/// How many lanes share a row: one for a short row, for then nothing is shared and the lanes need not wait for each other.
pub(super) fn lanes(cols: usize) -> usize {
    match cols {
        0..=32 => 1,
        33..=256 => 8,
        257..=1024 => 32,
        _ => ROW,
    }
}
