//! Normalization: what becomes of numbers once their mean and spread are taken away.

use super::Range;
use crate::error::Result;

/// A normalization, `y = (x - mean) / sqrt(variance + eps) * weight + bias`, the variance being that of all (not of a
/// sample).
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
pub struct Normalization {
    kind: NormalizationKind,
    eps: f64,
    momentum: f64,
}

/// Over what numbers a normalization goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormalizationKind {
    /// Each row by itself: Ba, Kiros and Hinton (2016), <https://arxiv.org/abs/1607.06450>.
    LayerNorm,
    /// Each row by itself, the mean taken as 0: Zhang and Sennrich (2019), <https://arxiv.org/abs/1910.07467>.
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
    /// Rows to mean 0 and variance 1; `eps` is 1e-5, as in `torch.nn.LayerNorm` over the last axis.
    pub const fn layer_norm() -> Self {
        Self { kind: NormalizationKind::LayerNorm, eps: 1e-5, momentum: 0.1 }
    }

    /// Rows to mean square 1; `eps` is 2^-23, as in `torch.nn.RMSNorm` over the last axis of `f32`.
    pub const fn rms_norm() -> Self {
        Self { kind: NormalizationKind::RmsNorm, eps: f32::EPSILON as f64, momentum: 0.1 }
    }

    /// Columns to mean 0 and variance 1 over the rows of a batch, and outside training by running means of those; `eps`
    /// is 1e-5, `momentum` 0.1, as in `torch.nn.BatchNorm1d`.
    pub const fn batch_norm() -> Self {
        Self { kind: NormalizationKind::BatchNorm, eps: 1e-5, momentum: 0.1 }
    }

    /// What is added to the variance before its root is taken; 0 or more.
    pub const fn eps(self, eps: f64) -> Self {
        Self { eps, ..self }
    }

    /// How far a running mean moves in a step, 0 to 1; for `batch_norm` only.
    pub const fn momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// What it goes over.
    pub const fn kind(&self) -> NormalizationKind {
        self.kind
    }

    /// PyTorch's name.
    pub const fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// What is added to the variance.
    pub const fn epsilon(&self) -> f64 {
        self.eps
    }

    /// How far a running mean moves in a step.
    pub const fn step(&self) -> f64 {
        self.momentum
    }

    /// Whether it goes over the rows of a batch.
    pub const fn is_across_rows(&self) -> bool {
        matches!(self.kind, NormalizationKind::BatchNorm)
    }

    /// Whether the mean is taken away.
    pub const fn is_centred(&self) -> bool {
        !matches!(self.kind, NormalizationKind::RmsNorm)
    }

    /// Fails unless every parameter is in its range.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter).
    pub fn validate(&self) -> Result<()> {
        Range::NOT_NEGATIVE.check(self.name(), "eps", self.eps)?;
        Range::UNIT.check(self.name(), "momentum", self.momentum)
    }
}
