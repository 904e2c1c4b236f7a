//! Gradient rules.

use super::ActivationOp;
use crate::error::Result;
use crate::ir::{Gradients, Op, Program, Slot};
use crate::spec::activation::{ActivationKind, Order, Saves};
use crate::spec::{Activation, Arithmetic};

impl ActivationOp {
    /// Adds the ops that propagate gradients back through this one.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        match *self {
            Self::Forward { f, key, x, out } => {
                let Some(g) = grads.take(program, out)? else { return Ok(()) };
                if grads.needs(program, x) {
                    match f.saves() {
                        Saves::Input => grads.value(program, x)?,
                        Saves::Output => grads.value(program, out)?,
                        Saves::Nothing => g,
                    };
                    let name = grads.name(program, x);
                    let grad = program.differentiate(&name, (f, Order::First), key, (x, out), g)?;
                    grads.add(program, x, grad)?;
                }
                Ok(())
            }
            Self::Backward { f, order, saved, grad_out, grad_in, .. } => {
                let Some(g) = grads.take(program, grad_in)? else { return Ok(()) };
                self.second(program, grads, (f, order), [saved, grad_out, g])
            }
            Self::Parametric { f, x, weight, out } => {
                let Some(g) = grads.take(program, out)? else { return Ok(()) };
                let (x, weight) = (grads.value(program, x)?, grads.value(program, weight)?);
                let shape = program.shape(weight)?;
                let grad_weight = program.value(&grads.name(program, weight), shape);
                let name = grads.name(program, x);
                let grad = program.parametric_backward(&name, f, (x, weight), g, grad_weight)?;
                grads.add(program, weight, grad_weight)?;
                grads.add(program, x, grad)
            }
            Self::ParametricBackward { x, weight, grad_out, grad_in, grad_weight, .. } => {
                grads.take(program, grad_in)?;
                grads.take(program, grad_weight)?;
                grads.refuse(program, &self.name(), &[x, weight, grad_out])
            }
        }
    }

    /// Adds the gradients of `grad_out f'(saved)` for an elementwise f: with respect to `grad_out`, the same op again;
    /// with respect to f's input, the second derivative.
    fn second(
        &self,
        program: &mut Program,
        grads: &mut Gradients,
        (f, order): (Activation, Order),
        [saved, grad_out, g]: [Slot; 3],
    ) -> Result<()> {
        let (x, y) = input_and_output(program, f, saved);
        let by_x = f.saves() != Saves::Nothing && grads.needs(program, x);
        let is_map = matches!(f.entry().kind, ActivationKind::Elementwise(_));
        if !is_map || order == Order::Second || (by_x && !f.has_second()) {
            return grads.refuse(program, &self.name(), &[x, grad_out]);
        }
        grads.value(program, saved)?;
        if grads.needs(program, grad_out) {
            let name = grads.name(program, grad_out);
            let by = program.differentiate(&name, (f, Order::First), None, (x, y), g)?;
            grads.add(program, grad_out, by)?;
        }
        if by_x {
            let name = grads.name(program, x);
            let both = program.arithmetic(&name, Arithmetic::Mul, grad_out, g)?;
            let by = program.activation_second(&name, f, (x, y), both)?;
            grads.add(program, x, by)?;
        }
        Ok(())
    }
}

/// The input and output of f, of which backward saved one.
fn input_and_output(program: &Program, f: Activation, saved: Slot) -> (Slot, Slot) {
    let made = program.ops().iter().find_map(|op| match *op {
        Op::Activation(ActivationOp::Forward { f: other, x, out, .. }) => {
            (other == f && out == saved && f.saves() == Saves::Output).then_some((x, out))
        }
        _ => None,
    });
    made.unwrap_or((saved, saved))
}
