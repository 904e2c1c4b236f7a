//! Sums of any length.

use super::Lowering;
use crate::engine::gpu::kernel::registry;
use crate::engine::gpu::memory::Region;
use crate::error::Result;

/// Elements per block of the summing kernels.
pub(crate) const SUM: usize = 1024;

/// The conversion of a sum to a recorded value.
#[derive(Clone, Copy)]
pub(crate) struct Total {
    /// True to sum the squares.
    pub square: bool,
    /// The number of terms per participating row to divide by; 0 keeps the sum.
    pub terms_per_row: usize,
    /// The maximum number of rows.
    pub rows: usize,
}

impl Total {
    pub(crate) const SUM: Self = Self { square: false, terms_per_row: 0, rows: 0 };
}

impl Lowering<'_> {
    /// Sums `len` elements into `out`, in as many rounds as needed.
    pub(crate) fn sum(
        &mut self,
        mut x: Region,
        mut len: usize,
        out: Region,
        total: Total,
    ) -> Result<()> {
        let mut square = total.square;
        while len > SUM {
            let count = len.div_ceil(SUM);
            let partial = self.scratch(count)?;
            let round = Total { square, ..Total::SUM };
            self.sum_round(x, len, partial.clone(), 0, round)?;
            (x, len, square) = (partial, count, false);
        }
        self.sum_round(x, len, out, 0, Total { square, ..total })
    }

    /// One round: one sum per 1024 elements, written from `offset` on.
    pub(crate) fn sum_round(
        &mut self,
        x: Region,
        len: usize,
        y: Region,
        offset: usize,
        total: Total,
    ) -> Result<()> {
        let Total { square, terms_per_row, rows } = total;
        let blocks = self.blocks(len);
        let call = self
            .call(registry::sum(blocks.lanes))
            .bind("x", &x)
            .bind("y", &y)
            .fields(blocks.fields)
            .fields([("offset", offset), ("terms_per_row", terms_per_row), ("rows", rows)])
            .field("square", square)
            .groups(blocks.groups.max(1))
            .flops(len as u64);
        self.push(call)
    }
}
