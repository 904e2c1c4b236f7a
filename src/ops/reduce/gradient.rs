//! Gradient rules.

use super::ReduceOp;
use crate::error::Result;
use crate::ir::{Gradients, Program};
use crate::shape::Shape;

impl ReduceOp {
    /// Adds the ops that propagate gradients back through this one.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        match self {
            Self::Forward { f, x, out, split, scale } => {
                let Some(g) = grads.take(program, *out)? else { return Ok(()) };
                if !grads.needs(program, *x) {
                    return Ok(());
                }
                let (name, shape) = (grads.name(program, *x), program.shape(*x)?);
                let [outer, along, inner] = *split;
                let (whole, kept) =
                    (Shape::new(&[outer, along, inner])?, Shape::new(&[outer, inner])?);
                let (x_value, y) = (grads.value(program, *x)?, grads.value(program, *out)?);
                let (x_value, y) =
                    (program.reshape(&name, x_value, whole)?, program.reshape(&name, y, kept)?);
                let mut g = program.reshape(&name, g, kept)?;
                if *scale != 1.0 {
                    g = program.scale(&name, g, *scale)?;
                }
                let grad = program.reduce_backward(&name, *f, (x_value, y), g, &[1])?;
                let grad = program.reshape(&name, grad, shape)?;
                grads.add(program, *x, grad)
            }
            Self::Backward { x, y, grad_out, grad_in, .. } => {
                grads.take(program, *grad_in)?;
                grads.refuse(program, &self.name(), &[*x, *y, *grad_out])
            }
        }
    }
}
