//! Program builders for activations.

use super::ActivationOp;
use crate::error::{Error, Result};
use crate::ir::{Op, Program, Slot};
use crate::random::Key;
use crate::shape::Shape;
use crate::spec::Activation;
use crate::spec::activation::{Order, Saves};

impl Program {
    fn push_activation(&mut self, op: ActivationOp) {
        self.push(Op::Activation(op));
    }

    /// Adds `f(x)` in a new slot; a stochastic f in eval mode.
    ///
    /// # Errors
    /// [`Error::Parameter`] if f's parameters are not valid; [`Error::Shape`] if `x` lacks the axis that f works along,
    /// or its length does not suit f; [`Error::Unsupported`] if f has learned parameters, and for indices.
    pub fn activation(&mut self, name: &str, f: Activation, x: Slot) -> Result<Slot> {
        self.apply(name, f.eval_mode(), None, x)
    }

    /// Adds `f(x)` in a new slot, in training mode: a stochastic f draws from the stream of `key`; for other functions
    /// this is [`Program::activation`].
    ///
    /// # Errors
    /// As [`Program::activation`].
    pub fn activation_in_training(
        &mut self,
        name: &str,
        f: Activation,
        key: Key,
        x: Slot,
    ) -> Result<Slot> {
        self.apply(name, f, f.is_random().then_some(key), x)
    }

    fn apply(&mut self, name: &str, f: Activation, key: Option<Key>, x: Slot) -> Result<Slot> {
        let shape = self.activated(&f, x)?;
        let out = self.value(name, shape);
        self.push_activation(ActivationOp::Forward { f, key, x, out });
        Ok(out)
    }

    /// Adds `f(x)` in place, overwriting `x`: for functions whose backward reads their output.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if f's backward reads its input, or f is stochastic; otherwise as
    /// [`Program::activation`].
    #[doc(hidden)]
    pub fn activation_in_place(&mut self, f: Activation, x: Slot) -> Result<()> {
        if f.saves() != Saves::Output || f.is_random() {
            let op = format!("activation.{f}.in_place");
            return Err(Error::unsupported(
                op,
                "its backward takes its input, which would be lost",
            ));
        }
        self.activated(&f, x)?;
        self.push_activation(ActivationOp::Forward { f, key: None, x, out: x });
        Ok(())
    }

    /// Adds dL/dx of `y = f(x)` from dL/dy; a stochastic f in eval mode.
    ///
    /// # Errors
    /// [`Error::Shape`] if `grad_out` has another shape than f's output; otherwise as [`Program::activation`].
    #[doc(hidden)]
    pub fn activation_backward(
        &mut self,
        name: &str,
        f: Activation,
        (x, y): (Slot, Slot),
        grad_out: Slot,
    ) -> Result<Slot> {
        self.differentiate(name, (f.eval_mode(), Order::First), None, (x, y), grad_out)
    }

    /// As [`Program::activation_backward`], with the random numbers of [`Program::activation_in_training`].
    ///
    /// # Errors
    /// As [`Program::activation_backward`].
    #[doc(hidden)]
    pub fn activation_in_training_backward(
        &mut self,
        name: &str,
        f: Activation,
        key: Key,
        (x, y): (Slot, Slot),
        grad_out: Slot,
    ) -> Result<Slot> {
        let key = f.is_random().then_some(key);
        self.differentiate(name, (f, Order::First), key, (x, y), grad_out)
    }

    /// Adds `grad_out * f''(x)`, for losses that contain derivatives of the network.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if f has no second derivative; otherwise as [`Program::activation_backward`].
    #[doc(hidden)]
    pub fn activation_second(
        &mut self,
        name: &str,
        f: Activation,
        (x, y): (Slot, Slot),
        grad_out: Slot,
    ) -> Result<Slot> {
        if !f.has_second() {
            let with = Activation::all().filter(Activation::has_second);
            let names = with.map(|f| f.name()).collect::<Vec<_>>().join(", ");
            let message = format!("it has no second derivative; {names} have");
            return Err(Error::unsupported(format!("activation.{f}.second"), message));
        }
        self.differentiate(name, (f, Order::Second), None, (x, y), grad_out)
    }

    pub(super) fn differentiate(
        &mut self,
        name: &str,
        (f, order): (Activation, Order),
        key: Option<Key>,
        (x, y): (Slot, Slot),
        grad_out: Slot,
    ) -> Result<Slot> {
        let op = format!("activation.{f}.backward");
        let (wanted, found) = (self.activated(&f, x)?, self.numbers(&op, grad_out)?.shape);
        if wanted != found {
            let message =
                format!("an upstream gradient of shape {found} for an output of {wanted}");
            return Err(Error::shapes(op, [wanted, found], message));
        }
        let saved = match f.saves() {
            Saves::Input => x,
            Saves::Output => y,
            Saves::Nothing => grad_out,
        };
        let grad_in = self.value(name, self.shape(x)?);
        self.push_activation(ActivationOp::Backward { f, order, key, saved, grad_out, grad_in });
        Ok(grad_in)
    }

    fn activated(&self, f: &Activation, x: Slot) -> Result<Shape> {
        f.validate()?;
        let op = format!("activation.{f}");
        let shape = self.numbers(&op, x)?.shape;
        if f.is_parametric() {
            let message = "it has learned parameters; use Program::parametric";
            return Err(Error::unsupported(op, message));
        }
        let Some(dim) = f.dim() else { return Ok(shape) };
        let Some([_, len, _]) = shape.split(dim) else {
            let message = format!("a tensor of shape {shape} has no axis {dim}");
            return Err(Error::shape(op, message));
        };
        let after = f.output_len(len)?;
        if after == len { Ok(shape) } else { shape.with_axis(dim, after) }
    }

    /// Adds `f(x)` for a parametric f. `weight` holds each of f's parameters for all channels, one parameter after the
    /// other. The channels are the columns of the last axis, or there is a single one for all columns.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if f has no learned parameters, [`Error::Shape`] if `weight` has another length,
    /// [`Error::Parameter`] if f's parameters are not valid.
    pub fn parametric(&mut self, name: &str, f: Activation, x: Slot, weight: Slot) -> Result<Slot> {
        self.check_parametric(&f, x, weight)?;
        let out = self.value(name, self.shape(x)?);
        self.push_activation(ActivationOp::Parametric { f, x, weight, out });
        Ok(out)
    }

    /// Adds dL/dx of [`Program::parametric`] from dL/dy, and dL/d(weight) into `grad_weight`.
    ///
    /// # Errors
    /// [`Error::Shape`] if a gradient has another shape than its value; otherwise as [`Program::parametric`].
    #[doc(hidden)]
    pub fn parametric_backward(
        &mut self,
        name: &str,
        f: Activation,
        (x, weight): (Slot, Slot),
        grad_out: Slot,
        grad_weight: Slot,
    ) -> Result<Slot> {
        self.check_parametric(&f, x, weight)?;
        let op = format!("activation.{f}.backward");
        self.check_same(&op, x, grad_out)?;
        self.check_same(&op, weight, grad_weight)?;
        let grad_in = self.value(name, self.shape(x)?);
        self.push_activation(ActivationOp::ParametricBackward {
            f,
            x,
            weight,
            grad_out,
            grad_in,
            grad_weight,
        });
        Ok(grad_in)
    }

    fn check_parametric(&self, f: &Activation, x: Slot, weight: Slot) -> Result<()> {
        f.validate()?;
        let op = format!("activation.{f}");
        let (x, weight) = (self.numbers(&op, x)?.shape, self.numbers(&op, weight)?.shape);
        let Some((numbers, channels)) = f.initial_values(x.cols()) else {
            return Err(Error::unsupported(op, "it has no learned parameters"));
        };
        let wanted = numbers.len() * channels;
        if wanted == weight.len() {
            return Ok(());
        }
        let message = format!(
            "{} learned parameters for {} columns, not a weight of shape {weight}",
            wanted,
            x.cols()
        );
        Err(Error::shape(op, message))
    }
}
