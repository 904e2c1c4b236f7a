//! Gradient rules.

use super::IndexOp;
use crate::error::Result;
use crate::ir::{Gradients, Program};

impl IndexOp {
    /// Adds the ops that propagate gradients back through this one.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        match *self {
            Self::GatherRows { table, index, out, .. } => {
                let Some(g) = grads.take(program, out)? else { return Ok(()) };
                if grads.needs(program, table) {
                    let (name, shape) = (grads.name(program, table), program.shape(table)?);
                    let index = grads.value(program, index)?;
                    let grad = program.gather_rows_backward(&name, shape, index, g)?;
                    grads.add(program, table, grad)?;
                }
                Ok(())
            }
            Self::ScatterAdd { x, index, out, .. } => {
                let Some(g) = grads.get(program, out)? else { return Ok(()) };
                if grads.needs(program, x) {
                    let index = grads.value(program, index)?;
                    let grad = program.gather_rows(&grads.name(program, x), g, index)?;
                    grads.add(program, x, grad)?;
                }
                Ok(())
            }
            // Indices have no gradient.
            Self::ToIndex { .. } => Ok(()),
        }
    }
}
