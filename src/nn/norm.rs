//! Normalization layers.

use crate::spec::Normalization;

/// A normalization layer with a weight of ones and, unless it is `rms_norm`, a bias of zeros, each with one element per
/// column. `batch_norm` also keeps a running mean and a running variance, which no optimizer updates.
///
/// ```
/// use wgrad::nn::Norm;
/// use wgrad::{Normalization, Sequential};
///
/// let norm = Norm::new(Normalization::batch_norm().momentum(0.05)).decays(false);
/// let network = Sequential::new(4).dense(8).layer(norm).dense(1).build()?;
/// let names: Vec<&str> = network.params().iter().map(|param| param.name.as_str()).collect();
/// assert_eq!(names[2..6], ["1.weight", "1.bias", "1.running_mean", "1.running_var"]);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Norm {
    pub(crate) f: Normalization,
    pub(crate) weight: bool,
    pub(crate) bias: bool,
    pub(crate) decays: bool,
}

impl Norm {
    /// Creates the layer with weight and bias; for `rms_norm` without a bias.
    pub const fn new(f: Normalization) -> Self {
        Self { f, weight: true, bias: f.is_centred(), decays: true }
    }

    /// Removes weight and bias.
    pub const fn no_affine(self) -> Self {
        Self { weight: false, bias: false, ..self }
    }

    /// Removes the bias.
    pub const fn no_bias(self) -> Self {
        Self { bias: false, ..self }
    }

    /// Sets whether the optimizer's weight decay applies to weight and bias.
    pub const fn decays(self, decays: bool) -> Self {
        Self { decays, ..self }
    }
}
