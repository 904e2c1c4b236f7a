//! The GPU dispatches.

use super::{BLOCK, ScanOp, kernels};
use crate::engine::gpu::lower::{Lowering, groups};
use crate::engine::gpu::memory::Region;
use crate::error::Result;
use crate::spec::Reduce;

impl ScanOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let (x, out) = (lowering.region(self.x)?, lowering.region(self.out)?);
        lowering.scan(self.split, self.reversed, x, out)
    }
}

impl Lowering<'_> {
    /// Sums blocks, takes the running sums of these, and from them those of every block.
    fn scan(
        &mut self,
        [outer, along, inner]: [usize; 3],
        reversed: bool,
        x: Region,
        out: Region,
    ) -> Result<()> {
        let blocks = along.div_ceil(BLOCK);
        let items = outer * blocks * inner;
        // With one block nothing is before it, and nothing is read.
        let sums = self.scratch(if blocks > 1 { items } else { 1 })?;
        if blocks > 1 {
            let totals = self.scratch(items)?;
            self.reduce_blocks(Reduce::Sum, [outer, along, inner], BLOCK, 1.0, [&x, &totals])?;
            self.scan([outer, blocks, inner], reversed, totals, sums.clone())?;
        }
        let call = self
            .call(kernels::scan())
            .bind("x", &x)
            .bind("sums", &sums)
            .bind("y", &out)
            .fields([("items", items), ("along", along), ("inner", inner)])
            .fields([("blocks", blocks), ("size", BLOCK), ("reversed", usize::from(reversed))])
            .groups(groups(items, 64))
            .flops((outer * along * inner) as u64);
        self.push(call)
    }
}
