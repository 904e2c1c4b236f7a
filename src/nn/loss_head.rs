//! A network's outputs and their loss: one after the other, or the last layer together with the loss.

use super::Network;
use super::build::{Part, Stage};
use super::objective::Objective;
use super::pass::{forward, last};
use crate::error::{Error, Result};
use crate::ops::loss::LinearOutputs;
use crate::program::{LinearInputs, LossInputs, Program, Slot};
use crate::spec::{Loss, Metric, Reduction};

/// What outputs are judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct LossTargets {
    pub target: Slot,
    /// A weight per row.
    pub weight: Option<Slot>,
    pub class_weight: Option<Slot>,
}

/// A loss and what led to it.
#[derive(Clone, Debug)]
pub(super) struct LossHead {
    /// The outputs; what the last layer takes, if it goes together with the loss.
    pub y: Slot,
    pub loss: Slot,
    /// Metrics that are there already, for later there are no outputs.
    metrics: Option<Vec<Slot>>,
    /// The gradients by outputs (or the logits that the loss is taken of) and inputs, as far as there are any.
    pub grad: Option<Slot>,
    pub grad_x: Option<Slot>,
    /// How many ops forward has.
    pub forward: usize,
}

/// What a loss is taken of.
struct Criterion {
    prediction: Slot,
    loss: Loss,
    reduction: Reduction,
}

impl Network {
    /// Adds forward, loss and, with the seed of training, backward.
    pub(super) fn loss_head(
        &self,
        program: &mut Program,
        objective: &Objective,
        x: Slot,
        targets: LossTargets,
        training: Option<u64>,
    ) -> Result<LossHead> {
        if objective.linear_cross_entropy {
            return self.linear_loss_head(program, objective, x, targets, training);
        }
        let values = self.forward(program, x, training)?;
        let (y, forward) = (last(&values)?, program.ops().len());
        let LossTargets { target, weight, class_weight } = targets;
        let of = |y| LossInputs { weight, class_weight, ..LossInputs::new(y, target) };
        program.check_loss(&objective.loss, &of(y))?;
        let Criterion { prediction, loss, reduction } = self.head(objective, y, &values);
        let (loss, gradients) =
            program.loss_of(loss, reduction, of(prediction), training.is_some())?;
        let grad = gradients.first().copied();
        let grad_x = match grad {
            Some(grad) => {
                let (params, x) = (0..self.params().len(), objective.through.then_some(x));
                self.backward(program, (prediction, grad), params, x)?
            }
            None => None,
        };
        Ok(LossHead { y, loss, metrics: None, grad, grad_x, forward })
    }

    /// What the loss is taken of: the outputs, or what makes them, where the last layer and the loss are one with a loss of
    /// that.
    fn head(&self, objective: &Objective, y: Slot, values: &[Slot]) -> Criterion {
        let of_logits = || {
            let Part::Activation(output) = &self.stages.last()?.part else { return None };
            let (loss, reduction) = objective.loss.of_logits(output, objective.reduction)?;
            let [.., prediction, _] = values else { return None };
            Some(Criterion { prediction: *prediction, loss, reduction })
        };
        let Objective { loss, reduction, .. } = *objective;
        of_logits().unwrap_or(Criterion { prediction: y, loss, reduction })
    }

    fn linear_loss_head(
        &self,
        program: &mut Program,
        objective: &Objective,
        x: Slot,
        targets: LossTargets,
        training: Option<u64>,
    ) -> Result<LossHead> {
        let (below, first, has_bias) = self.below_last()?;
        let y = last(&forward(below, program, x, training)?)?;
        let forward = program.ops().len();
        let LossTargets { target, weight: row_weight, class_weight } = targets;
        let weight = program.param(first)?;
        let bias = has_bias.then(|| program.param(first + 1)).transpose()?;
        let inputs = LinearInputs::new(y, weight, target);
        let inputs = LinearInputs { bias, row_weight, class_weight, ..inputs };
        let mut wanted =
            LinearOutputs { metrics: objective.metrics.clone(), ..LinearOutputs::default() };
        if training.is_some() {
            let count = 1 + usize::from(has_bias);
            wanted.parameters =
                (first..first + count).map(|param| program.grad(param)).collect::<Result<_>>()?;
            if first > 0 {
                wanted.x = Some(program.value("d features", program.shape(y)?));
            }
        }
        let (loss, metrics) =
            program.linear_loss(objective.loss, objective.reduction, &inputs, &wanted)?;
        if let Some(grad) = wanted.x {
            self.backward(program, (y, grad), 0..first, None)?;
        }
        let (grad, grad_x) = (None, None);
        Ok(LossHead { y, loss, metrics: Some(metrics), grad, grad_x, forward })
    }

    /// The layers below the last one, its first parameter, and whether it has a bias.
    fn below_last(&self) -> Result<(&[Stage], usize, bool)> {
        match self.stages.split_last() {
            Some((Stage { part: Part::Dense { bias }, first_param, .. }, below)) => {
                Ok((below, *first_param, *bias))
            }
            _ => {
                let name = self.layers().last().map(super::Layer::name).unwrap_or_default();
                let message = format!("the last layer must be dense, not {name}");
                Err(Error::unsupported("linear_cross_entropy", message))
            }
        }
    }
}

impl LossHead {
    /// The figures of the goal's metrics.
    pub fn metrics(
        &self,
        program: &mut Program,
        objective: &Objective,
        target: Slot,
    ) -> Result<Vec<Slot>> {
        let metrics = objective.metrics.iter();
        match &self.metrics {
            Some(metrics) => Ok(metrics.clone()),
            None => {
                let ignored = objective.loss.ignore_index();
                let figure =
                    |metric: &Metric| program.metric_ignoring(*metric, self.y, target, ignored);
                metrics.map(figure).collect()
            }
        }
    }
}
