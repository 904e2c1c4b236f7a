//! Lookup tables.

use crate::spec::Initializer;

/// A trainable lookup table: each feature of the input is an index, which the layer replaces by the row of that index,
/// as `torch.nn.Embedding`. It must be the first layer. Data sets hold the indices as whole numbers; a feature that is
/// not a whole number, or lies outside the table, is an error.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Embedding {
    pub(crate) count: usize,
    pub(crate) dim: usize,
    pub(crate) weights: Initializer,
    pub(crate) decays: bool,
}

impl Embedding {
    /// Creates a table of `count` rows of `dim` elements, initialized from the standard normal distribution.
    pub fn new(count: usize, dim: usize) -> Self {
        let weights = Initializer::normal().set("std", 1.0);
        Self { count, dim, weights, decays: true }
    }

    /// Sets the initializer of the rows.
    pub fn weights(self, initializer: Initializer) -> Self {
        Self { weights: initializer, ..self }
    }

    /// Sets whether the optimizer's weight decay applies.
    pub fn decays(self, decays: bool) -> Self {
        Self { decays, ..self }
    }
}
