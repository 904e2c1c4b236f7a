//! Gradient rules.

use super::LossOp;
use crate::error::Result;
use crate::ir::{Gradients, LossInputs, Program, Slot};
use crate::shape::Shape;
use crate::spec::{Arithmetic, Reduction};

impl LossOp {
    /// Adds the ops that propagate gradients back through this one.
    pub(crate) fn gradient(&self, program: &mut Program, grads: &mut Gradients) -> Result<()> {
        match self {
            Self::Loss { loss, reduction, inputs, value, gradients } => {
                let made: Vec<Slot> =
                    gradients.iter().copied().filter(|slot| grads.has(program, *slot)).collect();
                for slot in made {
                    grads.take(program, slot)?;
                    grads.refuse(program, &format!("{}.backward", self.name()), &inputs.slots())?;
                }
                let Some(g) = grads.take(program, *value)? else { return Ok(()) };
                let others = [inputs.target, inputs.weight, inputs.class_weight];
                let others: Vec<Slot> = others.into_iter().flatten().collect();
                grads.refuse(program, &self.name(), &others)?;
                for slot in inputs.slots() {
                    grads.value(program, slot)?;
                }
                let inputs = LossInputs { upstream: 1.0, ..inputs.clone() };
                let predictions = inputs.predictions.clone();
                let (_, by) = program.loss_of(*loss, *reduction, inputs, true)?;
                for (prediction, by) in predictions.into_iter().zip(by) {
                    let (name, shape) = (grads.name(program, prediction), program.shape(by)?);
                    let g = match reduction {
                        Reduction::None => per_term(program, &name, g, shape)?,
                        _ => program.reshape(&name, g, Shape::scalar())?,
                    };
                    let grad = program.arithmetic(&name, Arithmetic::Mul, by, g)?;
                    grads.add(program, prediction, grad)?;
                }
                Ok(())
            }
            Self::RowWeights { class_weight, out, .. } => {
                grads.take(program, *out)?;
                let weight: Vec<Slot> = class_weight.iter().copied().collect();
                grads.refuse(program, &self.name(), &weight)
            }
            // Class targets have no gradient.
            Self::OneHot { .. } | Self::CheckClasses { .. } => Ok(()),
        }
    }
}

/// Broadcasts a value per term over the elements of the term: classes are on the second axis, or the last of two.
fn per_term(program: &mut Program, name: &str, g: Slot, shape: Shape) -> Result<Slot> {
    let terms = program.shape(g)?;
    if terms == shape {
        return Ok(g);
    }
    let mut extents = shape.to_vec();
    match terms.rank() + 1 == shape.rank() {
        true => extents.iter_mut().skip(1).take(1).for_each(|classes| *classes = 1),
        // One term per sample.
        false => extents.iter_mut().skip(1).for_each(|extent| *extent = 1),
    }
    let kept = Shape::new(&extents)?;
    program.reshape(name, g, if kept.len() == terms.len() { kept } else { Shape::scalar() })
}
