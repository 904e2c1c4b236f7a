//! The layers of a network.

use super::{AdaptiveLogSoftmax, Custom, Dense, Embedding, Norm, Residual};
use crate::spec::Activation;

/// A layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// A fully connected layer.
    Dense(Dense),
    /// An activation, along the last axis if it works along one, with its learned parameters if any.
    Activation(Activation),
    /// A normalization.
    Norm(Norm),
    /// A lookup table indexed by the features.
    Embedding(Embedding),
    /// A residual block.
    Residual(Residual),
    /// An adaptive softmax over many classes.
    AdaptiveLogSoftmax(AdaptiveLogSoftmax),
    /// A user-defined layer.
    Custom(Custom),
}

impl Layer {
    /// The layer's kind and settings, as error messages print it.
    #[doc(hidden)]
    pub fn name(&self) -> String {
        match self {
            Self::Dense(dense) => format!("dense({})", dense.outputs),
            Self::Activation(f) => f.to_string(),
            Self::Norm(norm) => norm.f.name().to_string(),
            Self::Embedding(embedding) => {
                format!("embedding({}, {})", embedding.count, embedding.dim)
            }
            Self::AdaptiveLogSoftmax(layer) => format!("adaptive_log_softmax({})", layer.classes),
            Self::Custom(layer) => layer.name.clone(),
            Self::Residual(Residual { layers, .. }) => {
                let names: Vec<String> = layers.iter().map(Self::name).collect();
                format!("residual({})", names.join(", "))
            }
        }
    }
}

impl From<Dense> for Layer {
    fn from(dense: Dense) -> Self {
        Self::Dense(dense)
    }
}

impl From<Norm> for Layer {
    fn from(norm: Norm) -> Self {
        Self::Norm(norm)
    }
}

impl From<Residual> for Layer {
    fn from(residual: Residual) -> Self {
        Self::Residual(residual)
    }
}

impl From<Embedding> for Layer {
    fn from(embedding: Embedding) -> Self {
        Self::Embedding(embedding)
    }
}

impl From<AdaptiveLogSoftmax> for Layer {
    fn from(layer: AdaptiveLogSoftmax) -> Self {
        Self::AdaptiveLogSoftmax(layer)
    }
}

impl From<Custom> for Layer {
    fn from(layer: Custom) -> Self {
        Self::Custom(layer)
    }
}
