//! Gradient rules.

use super::ScanOp;
use crate::error::Result;
use crate::ir::{Gradients, Program};

impl ScanOp {
    /// Adds the ops that propagate gradients back through this one: the running sum from the other end.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        let Some(g) = grads.take(program, self.out)? else { return Ok(()) };
        if !grads.needs(program, self.x) {
            return Ok(());
        }
        let name = grads.name(program, self.x);
        let grad = program.scan_along(&name, g, self.split, !self.reversed)?;
        grads.add(program, self.x, grad)
    }
}
