//! Program builders for ops over gradients and parameters.

use super::UpdateOp;
use crate::error::{Error, Result};
use crate::ir::{Op, ParamInfo, Program, Slot};
use crate::random::Key;
use crate::shape::Shape;
use crate::spec::optimizer::Takes;
use crate::spec::{Optimizer, Range};

impl Program {
    /// Computes the L1 and L2 penalties of all parameters; with `backward`, also adds their gradients to those of the
    /// parameters.
    #[doc(hidden)]
    pub fn penalty(&mut self, backward: bool) -> Slot {
        let value = self.value("penalty", Shape::scalar());
        self.push(Op::Update(UpdateOp::Penalty { value, backward }));
        value
    }

    /// Returns whether a parameter has a penalty.
    pub(crate) fn has_penalty(&self) -> bool {
        self.params().iter().any(|param| param.l1 != 0.0 || param.l2 != 0.0)
    }

    /// Clamps every gradient to [-limit, limit].
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the limit is a positive number.
    #[doc(hidden)]
    pub fn clip_value(&mut self, limit: f64) -> Result<()> {
        check_limit("clip_value", "limit", limit)?;
        self.push(Op::Update(UpdateOp::ClipValue { limit }));
        Ok(())
    }

    /// Scales the gradients so that their norm over all parameters is at most `max`; returns the norm before. A NaN
    /// norm clips nothing: the NaN stays in the gradients.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the maximum is a positive number.
    #[doc(hidden)]
    pub fn clip_norm(&mut self, max: f64) -> Result<Slot> {
        check_limit("clip_norm", "max", max)?;
        let norm = self.value("gradient norm", Shape::scalar());
        self.push(Op::Update(UpdateOp::ClipNorm { max, norm }));
        Ok(norm)
    }

    /// Scales each tensor's gradient so that its own norm is at most `max`.
    ///
    /// # Errors
    /// [`Error::Parameter`] unless the maximum is a positive number.
    #[doc(hidden)]
    pub fn clip_each(&mut self, max: f64) -> Result<()> {
        check_limit("clip_each", "max", max)?;
        self.push(Op::Update(UpdateOp::ClipEach { max }));
        Ok(())
    }

    /// Adds normal noise to the gradients, with the standard deviation of each step's
    /// [`StepEntry`](crate::ir::StepEntry).
    pub(crate) fn gradient_noise(&mut self, key: Key) {
        self.push(Op::Update(UpdateOp::GradientNoise { key }));
    }

    /// Accumulates the mean of the gradients of a group of steps in a state value of the weights, as each step's
    /// [`StepEntry`](crate::ir::StepEntry) says.
    #[doc(hidden)]
    pub fn accumulate(&mut self, state: usize) {
        self.push(Op::Update(UpdateOp::Accumulate { state }));
    }

    /// Skips updates whose gradients are not finite; returns 1 in steps that do, else 0.
    #[doc(hidden)]
    pub fn skip_not_finite(&mut self) -> Slot {
        let skipped = self.value("skipped", Shape::scalar());
        self.push(Op::Update(UpdateOp::SkipNotFinite { skipped }));
        skipped
    }

    /// Keeps a mean of the parameters in a state value of the weights; `follows` as [`UpdateOp::Average`].
    #[doc(hidden)]
    pub fn average(&mut self, state: usize, follows: bool) {
        self.push(Op::Update(UpdateOp::Average { state, follows }));
    }

    /// Updates all parameters from their gradients. The loss is for optimizers that use it, the key for those that draw
    /// random numbers.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a hyper-parameter is not valid; [`Error::Unsupported`] if the optimizer uses the loss
    /// and there is none, or does not support learning rates per tensor; [`Error::Shape`] if the loss has more than one
    /// element.
    pub fn update(&mut self, optimizer: Optimizer, loss: Option<Slot>, key: Key) -> Result<()> {
        optimizer.validate()?;
        let op = format!("optimizer.{}", optimizer.name());
        let takes_part = |param: &&ParamInfo| param.multiplier != 0.0 && param.multiplier != 1.0;
        let odd = self.params().iter().find(takes_part);
        if let Some(odd) = odd.filter(|_| optimizer.entry().kind.takes == Takes::History) {
            let (name, rate) = (&odd.name, odd.multiplier);
            let message = format!("'{name}' has {rate} times the learning rate; it takes 0 and 1");
            return Err(Error::unsupported(op, message));
        }
        match loss.filter(|_| optimizer.takes_loss()) {
            None if optimizer.takes_loss() => {
                return Err(Error::unsupported(op, "it needs the loss, and there is none"));
            }
            Some(loss) if self.shape(loss)?.len() != 1 => {
                let message =
                    format!("the loss has the shape {}, not one number", self.shape(loss)?);
                return Err(Error::shape(&op, message));
            }
            loss => {
                if optimizer.entry().kind.takes == Takes::Orthogonal {
                    self.orthogonalize(optimizer)?;
                }
                self.push(Op::Update(UpdateOp::Update { optimizer, loss, key }));
            }
        }
        Ok(())
    }
}

fn check_limit(op: &str, name: &str, value: f64) -> Result<()> {
    Range::POSITIVE.check(op, name, value)
}
