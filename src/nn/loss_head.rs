//! The loss head: a network's outputs and their loss, as separate ops or with the last layer fused into the loss.

use super::Network;
use super::build::{Stage, StageKind};
use super::objective::Objective;
use super::pass::forward;
use crate::error::{Error, Result};
use crate::ir::{LinearInputs, LossInputs, Program, Slot};
use crate::ops::loss::LinearOutputs;
use crate::spec::{Loss, Metric, Reduction};

/// The targets and weights that a loss compares outputs with.
#[derive(Clone, Copy, Debug)]
pub(super) struct LossTargets {
    pub target: Slot,
    /// A weight per row.
    pub weight: Option<Slot>,
    pub class_weight: Option<Slot>,
}

/// The slots of a network's outputs, loss and gradients.
#[derive(Clone, Debug)]
pub(super) struct LossHead {
    /// The outputs; the input of the last layer if that is fused with the loss.
    pub y: Slot,
    pub loss: Slot,
    /// The metrics, if they were computed with the loss because the outputs are never stored.
    metrics: Option<Vec<Slot>>,
    /// The gradient with respect to the outputs, or to the logits if the loss is computed from those, if any.
    pub grad: Option<Slot>,
    /// The gradient with respect to the inputs, if any.
    pub grad_x: Option<Slot>,
    /// The number of ops of the forward pass.
    pub forward: usize,
}

/// A loss and the slot it is computed from.
struct Criterion {
    prediction: Slot,
    loss: Loss,
    reduction: Reduction,
}

impl Network {
    /// Adds the forward pass, the loss and, given the seed of training, the backward pass.
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
        let (below, last) = self.stages.split_at(self.stages.len().saturating_sub(1));
        let features = forward(below, program, x, training)?;
        let y = forward(last, program, features, training)?;
        let forward = program.ops().len();
        let LossTargets { target, weight, class_weight } = targets;
        let of = |y| LossInputs { weight, class_weight, ..LossInputs::new(y, target) };
        program.check_loss(&objective.loss, &of(y))?;
        let Criterion { prediction, loss, reduction } = self.criterion(objective, [features, y]);
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

    /// The loss and its prediction: the outputs, or the input of the last activation if that activation and the loss
    /// together equal a loss of logits.
    fn criterion(&self, objective: &Objective, [features, y]: [Slot; 2]) -> Criterion {
        let of_logits = || {
            let StageKind::Activation(output) = &self.stages.last()?.kind else { return None };
            let (loss, reduction) = objective.loss.of_logits(output, objective.reduction)?;
            Some(Criterion { prediction: features, loss, reduction })
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
        let y = forward(below, program, x, training)?;
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

    /// The layers before the last one, the index of its first parameter, and whether it has a bias.
    fn below_last(&self) -> Result<(&[Stage], usize, bool)> {
        match self.stages.split_last() {
            Some((Stage { kind: StageKind::Dense { bias }, first_param, .. }, below)) => {
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
    /// The slots of the objective's metrics.
    pub(crate) fn metrics(
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
