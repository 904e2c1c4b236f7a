//! A network's outputs and their loss: one after the other, or the last layer together with the loss.

use super::Network;
use super::build::{Part, Stage};
use super::goal::Goal;
use super::pass::{forward, last};
use crate::error::{Error, Result};
use crate::ops::loss::LinearGoal;
use crate::program::{LinearInputs, LossInputs, Program, Slot};
use crate::spec::{Loss, Metric, Reduction};

/// What outputs are judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answers {
    pub target: Slot,
    /// A weight per row.
    pub weight: Option<Slot>,
    pub class_weight: Option<Slot>,
}

/// A loss and what led to it.
#[derive(Clone, Debug)]
pub(super) struct Judged {
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
struct Head {
    prediction: Slot,
    loss: Loss,
    reduction: Reduction,
}

impl Network {
    /// Adds forward, loss and, with the seed of training, backward.
    pub(super) fn judged(
        &self,
        program: &mut Program,
        goal: &Goal,
        x: Slot,
        answers: Answers,
        training: Option<u64>,
    ) -> Result<Judged> {
        if goal.linear_cross_entropy {
            return self.judged_with_last(program, goal, x, answers, training);
        }
        let values = self.forward(program, x, training)?;
        let (y, forward) = (last(&values)?, program.ops().len());
        let Answers { target, weight, class_weight } = answers;
        let of = |y| LossInputs { weight, class_weight, ..LossInputs::new(y, target) };
        program.check_loss(&goal.loss, &of(y))?;
        let Head { prediction, loss, reduction } = self.head(goal, y, &values);
        let (loss, gradients) =
            program.loss_of(loss, reduction, of(prediction), training.is_some())?;
        let grad = gradients.first().copied();
        let grad_x = match grad {
            Some(grad) => {
                let (params, x) = (0..self.params().len(), goal.through.then_some(x));
                self.backward(program, (prediction, grad), params, x)?
            }
            None => None,
        };
        Ok(Judged { y, loss, metrics: None, grad, grad_x, forward })
    }

    /// What the loss is taken of: the outputs, or what makes them, where the last layer and the loss are one with a loss of
    /// that.
    fn head(&self, goal: &Goal, y: Slot, values: &[Slot]) -> Head {
        let of_logits = || {
            let Part::Activation(output) = &self.stages.last()?.part else { return None };
            let (loss, reduction) = goal.loss.of_logits(output, goal.reduction)?;
            let [.., prediction, _] = values else { return None };
            Some(Head { prediction: *prediction, loss, reduction })
        };
        let Goal { loss, reduction, .. } = *goal;
        of_logits().unwrap_or(Head { prediction: y, loss, reduction })
    }

    fn judged_with_last(
        &self,
        program: &mut Program,
        goal: &Goal,
        x: Slot,
        answers: Answers,
        training: Option<u64>,
    ) -> Result<Judged> {
        let (below, first, has_bias) = self.below_last()?;
        let y = last(&forward(below, program, x, training)?)?;
        let forward = program.ops().len();
        let Answers { target, weight: row_weight, class_weight } = answers;
        let weight = program.param(first)?;
        let bias = has_bias.then(|| program.param(first + 1)).transpose()?;
        let inputs = LinearInputs::new(y, weight, target);
        let inputs = LinearInputs { bias, row_weight, class_weight, ..inputs };
        let mut wanted = LinearGoal { metrics: goal.metrics.clone(), ..LinearGoal::default() };
        if training.is_some() {
            let count = 1 + usize::from(has_bias);
            wanted.parameters =
                (first..first + count).map(|param| program.grad(param)).collect::<Result<_>>()?;
            if first > 0 {
                wanted.x = Some(program.value("d features", program.shape(y)?));
            }
        }
        let (loss, metrics) = program.linear_loss(goal.loss, goal.reduction, &inputs, &wanted)?;
        if let Some(grad) = wanted.x {
            self.backward(program, (y, grad), 0..first, None)?;
        }
        let (grad, grad_x) = (None, None);
        Ok(Judged { y, loss, metrics: Some(metrics), grad, grad_x, forward })
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

impl Judged {
    /// The figures of the goal's metrics.
    pub fn metrics(&self, program: &mut Program, goal: &Goal, target: Slot) -> Result<Vec<Slot>> {
        let metrics = goal.metrics.iter();
        match &self.metrics {
            Some(metrics) => Ok(metrics.clone()),
            None => {
                let ignored = goal.loss.ignore_index();
                let figure =
                    |metric: &Metric| program.metric_ignoring(*metric, self.y, target, ignored);
                metrics.map(figure).collect()
            }
        }
    }
}
