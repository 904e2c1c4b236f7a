//! Gradient rules.

use super::NormOp;
use crate::error::Result;
use crate::ir::{Gradients, Program, Slot};
use crate::spec::Arithmetic;

impl NormOp {
    /// Adds the ops that propagate gradients back through this one.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        match *self {
            Self::Forward { f, x, weight, bias, out } => {
                let Some(g) = grads.take(program, out)? else { return Ok(()) };
                let x = grads.value(program, x)?;
                let weight = weight.map(|slot| grads.value(program, slot)).transpose()?;
                let wanted = weight.filter(|slot| grads.needs(program, *slot));
                let grad_weight = match wanted {
                    Some(slot) => {
                        let shape = program.shape(slot)?;
                        Some(program.value(&grads.name(program, slot), shape))
                    }
                    None => None,
                };
                by_bias(program, grads, bias, g)?;
                let name = grads.name(program, x);
                let grad = program.normalize_backward(&name, f, (x, weight), g, grad_weight)?;
                if let (Some(weight), Some(grad)) = (weight, grad_weight) {
                    grads.add(program, weight, grad)?;
                }
                grads.add(program, x, grad)
            }
            Self::Track { x, running: [mean, variance], .. } => {
                grads.refuse(program, &self.name(), &[x, mean, variance])
            }
            Self::Evaluate { f, x, running, weight, bias, out } => {
                let Some(g) = grads.take(program, out)? else { return Ok(()) };
                grads.refuse(program, &self.name(), &running)?;
                let [mean, variance] = running.map(|slot| grads.value(program, slot));
                let (mean, variance) = (mean?, variance?);
                if grads.needs(program, x) {
                    // The same op with a mean of 0: g times weight / sqrt(variance + eps).
                    let (name, shape) = (grads.name(program, x), program.shape(mean)?);
                    let weight = weight.map(|slot| grads.value(program, slot)).transpose()?;
                    let zeros = program.fill("zeros", shape, 0.0);
                    let running = [zeros, variance];
                    let grad = program.normalize_by(&name, f, g, running, (weight, None))?;
                    grads.add(program, x, grad)?;
                }
                if let Some(weight) = weight.filter(|slot| grads.needs(program, *slot)) {
                    let (name, x) = (grads.name(program, weight), grads.value(program, x)?);
                    let normal =
                        program.normalize_by(&name, f, x, [mean, variance], (None, None))?;
                    let terms = program.arithmetic(&name, Arithmetic::Mul, g, normal)?;
                    by_bias(program, grads, Some(weight), terms)?;
                }
                by_bias(program, grads, bias, g)
            }
            Self::Backward { x, weight, grad_out, grad_in, grad_weight, .. } => {
                grads.take(program, grad_in)?;
                grad_weight.map_or(Ok(None), |slot| grads.take(program, slot))?;
                let read: Vec<Slot> = [x, grad_out].into_iter().chain(weight).collect();
                grads.refuse(program, &self.name(), &read)
            }
        }
    }
}

/// Adds the gradient with respect to an operand with one element per column that is added to every row.
fn by_bias(
    program: &mut Program,
    grads: &mut Gradients,
    bias: Option<Slot>,
    g: Slot,
) -> Result<()> {
    let Some(bias) = bias.filter(|slot| grads.needs(program, *slot)) else { return Ok(()) };
    let shape = program.shape(bias)?;
    let sum = program.value(&grads.name(program, bias), shape);
    program.sum_rows_into(g, sum)?;
    grads.add(program, bias, sum)
}
