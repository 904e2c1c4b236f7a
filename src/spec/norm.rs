//! Normalization of values by their mean and variance.

use super::Range;
use crate::error::Result;

/// A normalization, `y = (x - mean) / sqrt(variance + eps) * weight + bias`, with the biased (population) variance.
///
/// ```
/// use wgrad::{Device, Normalization};
///
/// let device = Device::cpu();
/// let x = device.tensor(&ndarray::array![[1.0, 2.0, 3.0]])?;
/// let y = device.normalize(Normalization::layer_norm().eps(0.0), &x, None, None)?.read()?;
/// assert!((y[[0, 2]] - 1.5f32.sqrt()).abs() < 1e-6);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Normalization {
    kind: NormalizationKind,
    eps: f64,
    momentum: f64,
}

/// The axis that a normalization computes its statistics over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormalizationKind {
    /// Each row separately: Ba, Kiros and Hinton (2016), <https://arxiv.org/abs/1607.06450>.
    LayerNorm,
    /// Each row separately, with the mean taken as 0: Zhang and Sennrich (2019), <https://arxiv.org/abs/1910.07467>.
    RmsNorm,
    /// Each column over the rows of a batch: Ioffe and Szegedy (2015), <https://arxiv.org/abs/1502.03167>.
    BatchNorm,
}

impl NormalizationKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::LayerNorm, Self::RmsNorm, Self::BatchNorm];

    /// PyTorch's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LayerNorm => "layer_norm",
            Self::RmsNorm => "rms_norm",
            Self::BatchNorm => "batch_norm",
        }
    }
}

impl Normalization {
    /// Normalizes rows to mean 0 and variance 1; `eps` is 1e-5, as in `torch.nn.LayerNorm` over the last axis.
    pub const fn layer_norm() -> Self {
        Self { kind: NormalizationKind::LayerNorm, eps: 1e-5, momentum: 0.1 }
    }

    /// Normalizes rows to mean square 1; `eps` is 2^-23, as in `torch.nn.RMSNorm` over the last axis of `f32`.
    pub const fn rms_norm() -> Self {
        Self { kind: NormalizationKind::RmsNorm, eps: f32::EPSILON as f64, momentum: 0.1 }
    }

    /// Normalizes columns to mean 0 and variance 1 over the rows of a batch, outside training with the running mean and
    /// variance; `eps` is 1e-5, `momentum` 0.1, as in `torch.nn.BatchNorm1d`.
    pub const fn batch_norm() -> Self {
        Self { kind: NormalizationKind::BatchNorm, eps: 1e-5, momentum: 0.1 }
    }

    /// Sets the term added to the variance under the square root; 0 or greater.
    pub const fn eps(self, eps: f64) -> Self {
        Self { eps, ..self }
    }

    /// Sets the weight of a batch in the running statistics, 0 to 1; for `batch_norm` only.
    pub const fn momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// The kind of normalization.
    pub(crate) const fn kind(&self) -> NormalizationKind {
        self.kind
    }

    /// PyTorch's name.
    #[doc(hidden)]
    pub const fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// The term added to the variance.
    pub(crate) const fn epsilon(&self) -> f64 {
        self.eps
    }

    /// The weight of a batch in the running statistics.
    pub(crate) const fn step(&self) -> f64 {
        self.momentum
    }

    /// Returns whether the statistics are computed over the rows of a batch.
    pub(crate) const fn is_across_rows(&self) -> bool {
        matches!(self.kind, NormalizationKind::BatchNorm)
    }

    /// Returns whether the mean is subtracted.
    pub(crate) const fn is_centred(&self) -> bool {
        !matches!(self.kind, NormalizationKind::RmsNorm)
    }

    /// Fails unless every parameter is in its range.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter).
    pub(crate) fn validate(&self) -> Result<()> {
        Range::NOT_NEGATIVE.check(self.name(), "eps", self.eps)?;
        Range::UNIT.check(self.name(), "momentum", self.momentum)
    }
}
