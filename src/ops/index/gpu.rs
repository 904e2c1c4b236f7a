//! The GPU dispatches.

use super::{IndexOp, kernels};
use crate::engine::gpu::lower::{Lowering, groups};
use crate::error::Result;
use crate::ir::Slot;

/// The number of rows added to a table per dispatch: llvmpipe ends an invocation's loops after 65 535 iterations.
const CHUNK: usize = 16_384;

impl IndexOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        match self {
            Self::GatherRows { table, index, out, cols } => {
                let (len, rows) = (lowering.shape(*out)?.len(), lowering.shape(*table)?.len());
                let slots = [("table", *table), ("indices", *index), ("y", *out)];
                let call = lowering.elementwise(kernels::gather_rows(), len, slots)?;
                lowering.push(call.fields([("cols", *cols), ("rows", rows / (*cols).max(1))]))
            }
            Self::ScatterAdd { x, index, out, cols } => {
                scatter_add(lowering, [*x, *index, *out], *cols)
            }
            Self::ToIndex { x, out } => {
                let len = lowering.shape(*out)?.len();
                let call =
                    lowering.elementwise(kernels::to_index(), len, [("x", *x), ("y", *out)])?;
                lowering.push(call)
            }
        }
    }
}

fn scatter_add(lowering: &mut Lowering<'_>, [x, index, out]: [Slot; 3], cols: usize) -> Result<()> {
    let (count, rows) = (lowering.shape(index)?.len(), lowering.shape(out)?.len() / cols.max(1));
    for begin in (0..count).step_by(CHUNK) {
        let end = (begin + CHUNK).min(count);
        let call = lowering
            .call(kernels::scatter_add())
            .bind("x", &lowering.region(x)?)
            .bind("indices", &lowering.region(index)?)
            .bind("y", &lowering.region(out)?)
            .fields([("begin", begin), ("end", end), ("cols", cols), ("rows", rows)])
            .groups((end - begin) as u64 * groups(cols, 64))
            .flops(((end - begin) * cols) as u64);
        lowering.push(call)?;
    }
    Ok(())
}
