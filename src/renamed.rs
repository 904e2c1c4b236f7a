//! Former names, for one release.

use crate::error::Result;
use crate::program::{Program, Slot};
use crate::spec::Activation;
use crate::{Device, Tensor};

impl Activation {
    /// The former name of [`Activation::eval_mode`].
    #[deprecated(since = "0.1.0", note = "renamed to `eval_mode`")]
    pub fn evaluated(&self) -> Self {
        self.eval_mode()
    }

    /// The former name of [`Activation::is_parametric`].
    #[deprecated(since = "0.1.0", note = "renamed to `is_parametric`")]
    pub fn is_learned(&self) -> bool {
        self.is_parametric()
    }

    /// The former name of [`Activation::initial_weights`].
    #[deprecated(since = "0.1.0", note = "renamed to `initial_weights`")]
    pub fn first_weights(&self, cols: usize) -> Option<Vec<f64>> {
        self.initial_weights(cols)
    }
}

impl Program {
    /// The former name of [`Program::parametric`].
    ///
    /// # Errors
    /// As there.
    #[deprecated(since = "0.1.0", note = "renamed to `parametric`")]
    pub fn learned(&mut self, name: &str, f: Activation, x: Slot, weight: Slot) -> Result<Slot> {
        self.parametric(name, f, x, weight)
    }
}

impl Device {
    /// The former name of [`Device::parametric`].
    ///
    /// # Errors
    /// As there.
    #[deprecated(since = "0.1.0", note = "renamed to `parametric`")]
    pub fn learned(&self, f: Activation, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        self.parametric(f, x, weight)
    }

    /// The former name of [`Device::parametric_backward`].
    ///
    /// # Errors
    /// As there.
    #[deprecated(since = "0.1.0", note = "renamed to `parametric_backward`")]
    pub fn learned_backward(
        &self,
        f: Activation,
        x: &Tensor,
        weight: &Tensor,
        grad_out: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        self.parametric_backward(f, x, weight, grad_out)
    }
}
