//! The GPU dispatches.

use super::{ReduceOp, kernels};
use crate::engine::gpu::lower::{Lowering, ROW, groups};
use crate::engine::gpu::memory::Region;
use crate::error::Result;
use crate::spec::Reduce;

/// The longest block of a row that is reduced at once: by a workgroup, and by one invocation where neighbouring rows
/// are adjacent in memory.
const BLOCK: usize = 16_384;
const SHORT_BLOCK: usize = 1024;

/// The number of adjacent rows from which on an invocation has a row: neighbours read neighbouring elements.
const SIDE_BY_SIDE: usize = 32;

impl ReduceOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        match self {
            Self::Forward { f, x, out, split, scale } => {
                let (x, out) = (lowering.region(*x)?, lowering.region(*out)?);
                lowering.reduce(*f, *split, *scale, x, out)
            }
            Self::Backward { f, x, y, grad_out, grad_in, walk } => {
                let slots = [("x", *x), ("y", *y), ("grad_out", *grad_out), ("grad_in", *grad_in)];
                lowering.walk(kernels::reduce_backward(*f), walk, 1.0, slots)
            }
        }
    }
}

impl Lowering<'_> {
    /// Reduces along the middle one of three axes, in as many rounds as needed.
    fn reduce(
        &mut self,
        mut f: Reduce,
        [outer, mut cols, inner]: [usize; 3],
        scale: f64,
        mut x: Region,
        out: Region,
    ) -> Result<()> {
        let longest = if inner >= SIDE_BY_SIDE { SHORT_BLOCK } else { BLOCK };
        loop {
            let blocks = match f.over_parts() {
                Some(_) => cols.div_ceil(longest).max(1),
                None => 1,
            };
            let size = if blocks == 1 { cols } else { longest };
            let y = if blocks > 1 { self.scratch(outer * blocks * inner)? } else { out.clone() };
            let scale = if blocks > 1 { 1.0 } else { scale };
            self.reduce_blocks(f, [outer, cols, inner], size, scale, [&x, &y])?;
            if blocks == 1 {
                return Ok(());
            }
            (x, cols, f) = (y, blocks, f.over_parts().unwrap_or(f));
        }
    }

    /// Reduces blocks of `size` elements along the middle one of three axes.
    pub(crate) fn reduce_blocks(
        &mut self,
        f: Reduce,
        [outer, cols, inner]: [usize; 3],
        size: usize,
        scale: f64,
        [x, y]: [&Region; 2],
    ) -> Result<()> {
        let blocks = cols.div_ceil(size.max(1)).max(1);
        let items = outer * blocks * inner;
        let lanes = match inner >= SIDE_BY_SIDE && size <= BLOCK {
            true => 1,
            false => self.row_lanes(f.name(), items, size, 1)?,
        };
        let call = self
            .call(kernels::reduce(f, self.reduction_scope(lanes)))
            .bind("x", x)
            .bind("y", y)
            .fields([("items", items), ("cols", cols), ("inner", inner), ("lanes", lanes)])
            .fields([("blocks", blocks), ("size", size)])
            .field("scale", scale as f32)
            .groups(groups(items, ROW / lanes))
            .flops((outer * cols * inner) as u64);
        self.push(call)
    }
}
