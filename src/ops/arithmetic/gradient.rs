//! The gradient's rule.

use super::ArithmeticOp;
use crate::error::Result;
use crate::program::{Gradients, Program, Slot};
use crate::spec::Arithmetic;

impl ArithmeticOp {
    /// Adds the ops that take the gradient back through this one.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        let Self { f, alpha, a, b, out, .. } = *self;
        let Some(g) = grads.take(program, out)? else { return Ok(()) };
        for (operand, is_left) in [(a, true), (b, false)] {
            if grads.needs(program, operand) {
                let name = grads.name(program, operand);
                let full = match is_left {
                    true => by_left(program, grads, &name, (f, alpha, b), g)?,
                    false => by_right(program, grads, &name, (f, alpha, a, b), g)?,
                };
                let shape = program.shape(operand)?;
                let sum = program.sum_to(&name, full, shape)?;
                grads.add(program, operand, sum)?;
            }
        }
        Ok(())
    }
}

fn scaled(program: &mut Program, name: &str, x: Slot, factor: f64) -> Result<Slot> {
    if factor == 1.0 { Ok(x) } else { program.scale(name, x, factor) }
}

/// By a of `f(alpha a, b)`.
fn by_left(
    program: &mut Program,
    grads: &Gradients,
    name: &str,
    (f, alpha, b): (Arithmetic, f64, Slot),
    g: Slot,
) -> Result<Slot> {
    let full = match f {
        Arithmetic::Add | Arithmetic::Sub => g,
        Arithmetic::Mul | Arithmetic::Div => {
            let b = grads.value(program, b)?;
            program.arithmetic(name, f, g, b)?
        }
    };
    scaled(program, name, full, alpha)
}

/// By b of `f(alpha a, b)`.
fn by_right(
    program: &mut Program,
    grads: &Gradients,
    name: &str,
    (f, alpha, a, b): (Arithmetic, f64, Slot, Slot),
    g: Slot,
) -> Result<Slot> {
    match f {
        Arithmetic::Add => Ok(g),
        Arithmetic::Sub => program.scale(name, g, -1.0),
        Arithmetic::Mul => {
            let a = grads.value(program, a)?;
            let full = program.arithmetic(name, Arithmetic::Mul, g, a)?;
            scaled(program, name, full, alpha)
        }
        Arithmetic::Div => {
            // d(a / b)/db = -(a / b) / b: neither b^2 nor 1 / b overflows on the way.
            let (a, b) = (grads.value(program, a)?, grads.value(program, b)?);
            let part = program.arithmetic(name, Arithmetic::Div, g, b)?;
            let quotient = program.arithmetic(name, Arithmetic::Div, a, b)?;
            let full = program.arithmetic(name, Arithmetic::Mul, part, quotient)?;
            program.scale(name, full, -alpha)
        }
    }
}

/// The sum of two gradients of one shape.
pub(crate) fn add(program: &mut Program, name: &str, a: Slot, b: Slot) -> Result<Slot> {
    program.arithmetic(name, Arithmetic::Add, a, b)
}
