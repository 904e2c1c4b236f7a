//! Activations of tensors.

use super::Device;
use super::tensor::{Tensor, wrong_count};
use crate::error::Result;
use crate::ir::DType;
use crate::random::Key;
use crate::spec::Activation;

/// Activations as single ops.
///
/// ```
/// use wgrad::{Activation, Device};
///
/// let device = Device::cpu();
/// let x = device.tensor(&ndarray::array![[0.0, 0.0], [0.0, 2.0]])?;
/// let over_columns = Activation::softmax().with("dim", 0.0)?;
/// let y = device.activation(over_columns, &x)?.read()?;
/// assert_eq!(y[[0, 0]] + y[[1, 0]], 1.0);
/// # Ok::<(), wgrad::Error>(())
/// ```
impl Device {
    /// Computes `f(x)`, in evaluation mode if `f` is random.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) if the parameters of `f` are invalid;
    /// [`Error::Shape`](crate::Error::Shape) if `x` lacks the axis that `f` works along or its extent does not suit
    /// `f`; [`Error::Unsupported`](crate::Error::Unsupported) for a tensor of another device, or if `f` has learned
    /// parameters.
    pub fn activation(&self, f: Activation, x: &Tensor) -> Result<Tensor> {
        self.one(&[x], |program, slots| match slots {
            [x] => program.activation("y", f, *x),
            _ => Err(wrong_count()),
        })
    }

    /// Computes dL/dx of `y = f(x)` from `x` and dL/dy, in evaluation mode if `f` is random.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if dL/dy does not have the shape of `y`; otherwise as
    /// [`Device::activation`].
    pub fn activation_backward(
        &self,
        f: Activation,
        x: &Tensor,
        grad_out: &Tensor,
    ) -> Result<Tensor> {
        self.one(&[x, grad_out], |program, slots| match slots {
            [x, grad_out] => {
                let y = program.activation("y", f, *x)?;
                program.activation_backward("grad_in", f, (*x, y), *grad_out)
            }
            _ => Err(wrong_count()),
        })
    }

    /// Computes `f(x)` in training mode: a random `f` draws from the stream of `key`, the same numbers for the same
    /// key.
    ///
    /// ```
    /// use wgrad::random::{Key, Stream};
    /// use wgrad::{Activation, Device};
    ///
    /// let device = Device::cpu();
    /// let x = device.tensor(&ndarray::Array1::from_elem(1000, 1.0))?;
    /// let y = device.activation_in_training(Activation::dropout(), Key::new(7, Stream::Dropout(0)), &x)?;
    /// assert!(y.read()?.iter().all(|&y| y == 0.0 || y == 2.0));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Device::activation`].
    #[doc(hidden)]
    pub fn activation_in_training(&self, f: Activation, key: Key, x: &Tensor) -> Result<Tensor> {
        self.one(&[x], |program, slots| match slots {
            [x] => program.activation_in_training("y", f, key, *x),
            _ => Err(wrong_count()),
        })
    }

    /// Computes dL/dx of [`Device::activation_in_training`] with the same key.
    ///
    /// # Errors
    /// As [`Device::activation_backward`].
    #[doc(hidden)]
    pub fn activation_in_training_backward(
        &self,
        f: Activation,
        key: Key,
        x: &Tensor,
        grad_out: &Tensor,
    ) -> Result<Tensor> {
        self.one(&[x, grad_out], |program, slots| match slots {
            [x, grad_out] => {
                let y = program.activation_in_training("y", f, key, *x)?;
                program.activation_in_training_backward("grad_in", f, key, (*x, y), *grad_out)
            }
            _ => Err(wrong_count()),
        })
    }

    /// Computes `v f''(x)`.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) if `f` has no second derivative; otherwise as
    /// [`Device::activation_backward`].
    pub fn activation_second(&self, f: Activation, x: &Tensor, v: &Tensor) -> Result<Tensor> {
        self.one(&[x, v], |program, slots| match slots {
            [x, v] => {
                let y = program.activation("y", f, *x)?;
                program.activation_second("second", f, (*x, y), *v)
            }
            _ => Err(wrong_count()),
        })
    }

    /// Computes `f(x)` with learned parameters; see [`Program::parametric`](crate::Program::parametric).
    ///
    /// # Errors
    /// As [`Program::parametric`](crate::Program::parametric).
    pub fn parametric(&self, f: Activation, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        self.one(&[x, weight], |program, slots| match slots {
            [x, weight] => program.parametric("y", f, *x, *weight),
            _ => Err(wrong_count()),
        })
    }

    /// Computes dL/dx and dL/d(weight) of [`Device::parametric`] from dL/dy.
    ///
    /// # Errors
    /// As [`Program::parametric_backward`](crate::Program::parametric_backward).
    pub fn parametric_backward(
        &self,
        f: Activation,
        x: &Tensor,
        weight: &Tensor,
        grad_out: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let mut gradients = self.run(&[x, weight, grad_out], |program, slots| match slots {
            [x, weight, grad_out] => {
                let grad_weight = program.input("d weight", program.shape(*weight)?, DType::F32);
                let inputs = (*x, *weight);
                let grad_in =
                    program.parametric_backward("dx", f, inputs, *grad_out, grad_weight)?;
                Ok(vec![grad_in, grad_weight])
            }
            _ => Err(wrong_count()),
        })?;
        let grad_weight = gradients.pop().ok_or_else(wrong_count)?;
        Ok((gradients.pop().ok_or_else(wrong_count)?, grad_weight))
    }
}
