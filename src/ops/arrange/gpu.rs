//! The GPU dispatches.

use super::{ArrangeOp, kernels};
use crate::engine::gpu::lower::{Lowering, groups};
use crate::engine::gpu::memory::Region;
use crate::error::Result;

impl ArrangeOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        match self {
            Self::Copy { x, out, walk, scale } => {
                lowering.walk(kernels::copy(), walk, *scale, [("x", *x), ("y", *out)])
            }
            Self::Fill { out, value } => {
                let len = lowering.shape(*out)?.len();
                let call = lowering.elementwise(kernels::fill(), len, [("y", *out)])?;
                lowering.push(call.field("value", *value as f32))
            }
        }
    }
}

impl Lowering<'_> {
    /// Fills a region with zeros.
    pub(crate) fn clear(&mut self, out: Region, len: usize) -> Result<()> {
        let fill = self.call(kernels::fill()).bind("y", &out).field("len", len);
        self.push(fill.field("value", 0.0).groups(groups(len, 64)))
    }
}
