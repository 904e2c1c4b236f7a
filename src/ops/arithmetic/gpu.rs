//! The GPU dispatches.

use super::{ArithmeticOp, kernels};
use crate::engine::gpu::lower::Lowering;
use crate::error::Result;

impl ArithmeticOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        let slots = [("a", self.a), ("b", self.b), ("y", self.out)];
        lowering.walk(kernels::arithmetic(self.f), &self.walk, self.alpha, slots)
    }
}
