//! Program builders for normalizations.

use super::NormOp;
use crate::error::{Error, Result};
use crate::ir::{Op, Program, Slot};
use crate::shape::Shape;
use crate::spec::Normalization;

impl Program {
    /// Adds `x` normalized by its own mean and variance, times `weight`, plus `bias`, each with one element per column.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a parameter is out of range; [`Error::Shape`] unless weight and bias have one element
    /// per column; [`Error::Empty`] if there are no columns; [`Error::Unsupported`] for indices.
    pub fn normalize(
        &mut self,
        name: &str,
        f: Normalization,
        x: Slot,
        weight: Option<Slot>,
        bias: Option<Slot>,
    ) -> Result<Slot> {
        let shape = self.check_norm(&f, x, &[weight, bias])?;
        let out = self.value(name, shape);
        self.push(Op::Norm(NormOp::Forward { f, x, weight, bias, out }));
        Ok(out)
    }

    /// Updates running means of the columns' means and sample variances of `x`, as `torch.nn.BatchNorm1d` in training.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless f normalizes across rows; otherwise as [`Program::normalize`].
    #[doc(hidden)]
    pub fn track_norm(&mut self, f: Normalization, x: Slot, running: [Slot; 2]) -> Result<()> {
        self.check_across(&f)?;
        self.check_norm(&f, x, &running.map(Some))?;
        self.push(Op::Norm(NormOp::Track { f, x, running }));
        Ok(())
    }

    /// Adds `x` normalized by a given mean and variance per column.
    ///
    /// # Errors
    /// As [`Program::track_norm`].
    #[doc(hidden)]
    pub fn normalize_by(
        &mut self,
        name: &str,
        f: Normalization,
        x: Slot,
        running: [Slot; 2],
        (weight, bias): (Option<Slot>, Option<Slot>),
    ) -> Result<Slot> {
        self.check_across(&f)?;
        let [mean, variance] = running;
        let shape = self.check_norm(&f, x, &[Some(mean), Some(variance), weight, bias])?;
        let out = self.value(name, shape);
        self.push(Op::Norm(NormOp::Evaluate { f, x, running, weight, bias, out }));
        Ok(out)
    }

    /// Adds dL/dx of [`Program::normalize`] from dL/dy, and dL/d(weight) into `grad_weight`; dL/d(bias) is the sum of
    /// the rows of dL/dy.
    ///
    /// # Errors
    /// [`Error::Shape`] if a gradient has another shape than its value; otherwise as [`Program::normalize`].
    #[doc(hidden)]
    pub fn normalize_backward(
        &mut self,
        name: &str,
        f: Normalization,
        (x, weight): (Slot, Option<Slot>),
        grad_out: Slot,
        grad_weight: Option<Slot>,
    ) -> Result<Slot> {
        let shape = self.check_norm(&f, x, &[weight, grad_weight])?;
        self.check_shape(&format!("norm.{}.backward", f.name()), grad_out, shape)?;
        let grad_in = self.value(name, shape);
        let op = NormOp::Backward { f, x, weight, grad_out, grad_in, grad_weight };
        self.push(Op::Norm(op));
        Ok(grad_in)
    }

    fn check_across(&self, f: &Normalization) -> Result<()> {
        if f.is_across_rows() {
            return Ok(());
        }
        let message = "it normalizes rows separately and keeps no running means; batch_norm does";
        Err(Error::unsupported(format!("norm.{}", f.name()), message))
    }

    /// Returns the shape of `x`; fails unless every other operand has one element per column.
    fn check_norm(&self, f: &Normalization, x: Slot, others: &[Option<Slot>]) -> Result<Shape> {
        f.validate()?;
        let op = format!("norm.{}", f.name());
        let shape = self.numbers(&op, x)?.shape;
        if shape.cols() == 0 {
            return Err(Error::empty(op, format!("a tensor of shape {shape} has no columns")));
        }
        for other in others.iter().flatten() {
            let other = self.numbers(&op, *other)?.shape;
            if other.len() != shape.cols() {
                let message = format!("{other} does not have one element per column of {shape}");
                return Err(Error::shapes(op, [shape, other], message));
            }
        }
        Ok(shape)
    }
}
