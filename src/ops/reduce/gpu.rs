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
        // Neighbouring invocations read neighbouring elements.
        let is_side_by_side = inner >= 32 && (f.over_parts().is_some() || cols <= BLOCK);
        let longest = if is_side_by_side { SHORT_BLOCK } else { BLOCK };
        loop {
            let blocks = match f.over_parts() {
                Some(_) => cols.div_ceil(longest).max(1),
                None => 1,
            };
            let size = if blocks == 1 { cols } else { longest };
            let items = outer * blocks * inner;
            let lanes = match is_side_by_side {
                true => 1,
                false => self.row_lanes(f.name(), items, size, 1)?,
            };
            let y = if blocks > 1 { self.scratch(items)? } else { out.clone() };
            let scale = if blocks > 1 { 1.0 } else { scale };
            let call = self
                .call(kernels::reduce(f, self.reduction_scope(lanes)))
                .bind("x", &x)
                .bind("y", &y)
                .fields([("items", items), ("cols", cols), ("inner", inner), ("lanes", lanes)])
                .fields([("blocks", blocks), ("size", size)])
                .field("scale", scale as f32)
                .groups(groups(items, ROW / lanes))
                .flops((outer * cols * inner) as u64);
            self.push(call)?;
            if blocks == 1 {
                return Ok(());
            }
            (x, cols, f) = (y, blocks, f.over_parts().unwrap_or(f));
        }
    }
}
