//! Gradient rules.

use super::ArithmeticOp;
use crate::error::Result;
use crate::ir::{Gradients, Program, Slot};
use crate::spec::Arithmetic;

impl ArithmeticOp {
    /// Adds the ops that propagate gradients back through this one.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        let Self { f, alpha, a, b, out, .. } = *self;
        let Some(g) = grads.take(program, out)? else { return Ok(()) };
        let operands = [a, b];
        let wanted = operands.map(|operand| grads.needs(program, operand));
        let [by_a, by_b] = wanted;
        let is_linear = matches!(f, Arithmetic::Add | Arithmetic::Sub);
        if !is_linear && by_b {
            grads.value(program, a)?;
        }
        if !is_linear && (by_a || f == Arithmetic::Div) {
            grads.value(program, b)?;
        }
        let [of_a, of_b] = operands.map(|operand| grads.name(program, operand));
        let names = [of_a.as_str(), of_b.as_str()];
        let full = by_operands(program, names, (f, alpha), operands, g, wanted)?;
        for ((operand, name), full) in operands.into_iter().zip(names).zip(full) {
            let Some(full) = full else { continue };
            let shape = program.shape(operand)?;
            let sum = program.sum_to(name, full, shape)?;
            grads.add(program, operand, sum)?;
        }
        Ok(())
    }
}

/// The gradients of `f(alpha a, b)` with respect to a and b, in the shape of the result, where wanted.
pub(super) fn by_operands(
    program: &mut Program,
    [of_a, of_b]: [&str; 2],
    (f, alpha): (Arithmetic, f64),
    [a, b]: [Slot; 2],
    g: Slot,
    [by_a, by_b]: [bool; 2],
) -> Result<[Option<Slot>; 2]> {
    // Division by b is part of both gradients.
    let first = match f {
        Arithmetic::Add | Arithmetic::Sub => Some(g),
        Arithmetic::Mul if !by_a => None,
        Arithmetic::Mul | Arithmetic::Div => Some(program.arithmetic(of_a, f, g, b)?),
    };
    let second = match f {
        _ if !by_b => None,
        Arithmetic::Add => Some(g),
        Arithmetic::Sub => Some(program.scale(of_b, g, -1.0)?),
        Arithmetic::Mul if alpha == 1.0 => Some(program.arithmetic(of_b, f, g, a)?),
        Arithmetic::Mul => Some(program.scaled(of_b, f, alpha, a, g)?),
        Arithmetic::Div => {
            // d(a / b)/db = -(a / b) / b: computing neither b^2 nor 1 / b avoids their overflow.
            let quotient = program.scaled(of_b, f, -alpha, a, b)?;
            let part = first.unwrap_or(g);
            Some(program.arithmetic(of_b, Arithmetic::Mul, part, quotient)?)
        }
    };
    let first = match first.filter(|_| by_a) {
        Some(first) if alpha != 1.0 => Some(program.scale(of_a, first, alpha)?),
        first => first,
    };
    Ok([first, second])
}

/// The sum of two gradients of one shape.
pub(crate) fn add(program: &mut Program, name: &str, a: Slot, b: Slot) -> Result<Slot> {
    program.arithmetic(name, Arithmetic::Add, a, b)
}
