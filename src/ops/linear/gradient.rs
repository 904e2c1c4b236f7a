//! Gradient rules.

use super::LinearOp;
use crate::error::Result;
use crate::ir::{Form, Gradients, Product, Program, Slot};
use crate::shape::Shape;

impl LinearOp {
    /// Adds the ops that propagate gradients back through this one.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        match *self {
            Self::MatMul { a, b, out, form } => {
                let Some(g) = grads.take(program, out)? else { return Ok(()) };
                let [by_a, by_b] = form.gradients(a, b, g);
                for (by, other, product) in [(b, a, by_b), (a, b, by_a)] {
                    if grads.needs(program, by) {
                        grads.value(program, other)?;
                        let (name, shape) = (grads.name(program, by), program.shape(by)?);
                        let grad = product_of(program, &name, product, shape)?;
                        grads.add(program, by, grad)?;
                    }
                }
                Ok(())
            }
            Self::AddRow { row, out } => {
                let Some(g) = grads.get(program, out)? else { return Ok(()) };
                if grads.needs(program, row) {
                    let shape = program.shape(row)?;
                    let sum = program.value(&grads.name(program, row), shape);
                    program.sum_rows_into(g, sum)?;
                    grads.add(program, row, sum)?;
                }
                Ok(())
            }
            Self::SumRows { x, out } => {
                let Some(g) = grads.take(program, out)? else { return Ok(()) };
                if grads.needs(program, x) {
                    let (name, shape) = (grads.name(program, x), program.shape(x)?);
                    let row = program.reshape(&name, g, Shape::new(&[shape.cols()])?)?;
                    let wide = program.broadcast_to(&name, row, shape)?;
                    grads.add(program, x, wide)?;
                }
                Ok(())
            }
        }
    }
}

/// Adds a product of the given shape, summed over the batch axes that the shape lacks.
fn product_of(
    program: &mut Program,
    name: &str,
    (a, b, form): (Slot, Slot, Form),
    shape: Shape,
) -> Result<Slot> {
    let (left, right) = (program.shape(a)?, program.shape(b)?);
    if Product::into(form, left, right, shape).is_ok() {
        let out = program.value(name, shape);
        program.matmul_into(a, b, form, out)?;
        return Ok(out);
    }
    let full = program.matmul(name, a, b, form)?;
    program.sum_to(name, full, shape)
}
