//! Residual blocks.

use super::Layer;
use crate::error::{Error, Result};

/// A residual block: the sum of its input and the output of its branch.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Residual {
    pub(super) layers: Vec<Layer>,
    /// The nesting depth of blocks, this one included.
    depth: usize,
}

impl Residual {
    /// The maximum nesting depth of blocks.
    #[doc(hidden)]
    pub const MAX_DEPTH: usize = 64;

    /// Creates a block around these layers. If the nesting is deeper than [`Residual::MAX_DEPTH`], which no network
    /// accepts, the layers are dropped.
    pub fn new(layers: Vec<Layer>) -> Self {
        let inside = layers.iter().map(|layer| match layer {
            Layer::Residual(inner) => inner.depth,
            _ => 0,
        });
        let depth = inside.max().unwrap_or(0).saturating_add(1);
        Self { layers: if depth > Self::MAX_DEPTH { Vec::new() } else { layers }, depth }
    }

    /// The layers of the branch.
    ///
    /// # Errors
    /// [`Error::Empty`] without layers; [`Error::Limit`] if blocks are nested too deeply.
    pub(crate) fn layers(&self) -> Result<&[Layer]> {
        if self.depth > Self::MAX_DEPTH {
            let (what, needed) = ("residual".to_string(), self.depth as u64);
            let (limit, unit) = (Self::MAX_DEPTH as u64, "blocks in one another");
            return Err(Error::Limit { what, needed, limit, unit });
        }
        match self.layers.as_slice() {
            [] => Err(Error::empty("residual", "a branch needs at least one layer")),
            layers => Ok(layers),
        }
    }
}
