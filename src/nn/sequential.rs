//! Stacks of layers.

use super::{Dense, Embedding, Layer, Network, Norm, Residual};
use crate::spec::{Activation, Normalization};

/// A stack of layers over rows of a fixed number of features.
///
/// ```
/// use wgrad::{Activation, Sequential};
///
/// let network = Sequential::new(2).dense(64).activation(Activation::relu()).dense(3).build()?;
/// assert_eq!(network.outputs(), 3);
/// assert_eq!(network.params()[0].name, "0.weight");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Sequential {
    pub(super) inputs: usize,
    pub(super) layers: Vec<Layer>,
}

impl Sequential {
    /// Creates an empty stack over rows of `inputs` features.
    pub fn new(inputs: usize) -> Self {
        Self { inputs, layers: Vec::new() }
    }

    /// Adds a layer.
    pub fn layer(mut self, layer: impl Into<Layer>) -> Self {
        self.layers.push(layer.into());
        self
    }

    /// Adds a fully connected layer with the defaults of [`Dense::new`].
    pub fn dense(self, outputs: usize) -> Self {
        self.layer(Dense::new(outputs))
    }

    /// Adds an activation.
    pub fn activation(self, f: Activation) -> Self {
        self.layer(Layer::Activation(f))
    }

    /// Adds a maxout layer of `outputs` units: a fully connected layer with `pieces` affine maps per unit, followed by
    /// their maximum.
    pub fn maxout(self, outputs: usize, pieces: usize) -> Self {
        let f = Activation::maxout().set("pieces", pieces as f64);
        self.dense(outputs.saturating_mul(pieces)).activation(f)
    }

    /// Adds a gated linear unit of `outputs` outputs: a fully connected layer of twice as many, whose halves the gated
    /// activation `f` (glu, swiglu, geglu or reglu) combines.
    pub fn gated(self, outputs: usize, f: Activation) -> Self {
        self.dense(outputs.saturating_mul(2)).activation(f)
    }

    /// Adds a layer norm with weight and bias, as `torch.nn.LayerNorm`.
    pub fn layer_norm(self) -> Self {
        self.layer(Norm::new(Normalization::layer_norm()))
    }

    /// Adds an RMS norm with weight, as `torch.nn.RMSNorm`.
    pub fn rms_norm(self) -> Self {
        self.layer(Norm::new(Normalization::rms_norm()))
    }

    /// Adds a batch norm with weight, bias and running statistics, as `torch.nn.BatchNorm1d`.
    pub fn batch_norm(self) -> Self {
        self.layer(Norm::new(Normalization::batch_norm()))
    }

    /// Adds an embedding, which must be the first layer: every feature is the index of one of `count` trainable rows of
    /// `dim` elements.
    pub fn embedding(self, count: usize, dim: usize) -> Self {
        self.layer(Embedding::new(count, dim))
    }

    /// Adds a residual block: the sum of its input and the output of `branch`, which must have as many columns as its
    /// input. Blocks nest at most [`Residual::MAX_DEPTH`] deep.
    ///
    /// He et al. (2015), <https://arxiv.org/abs/1512.03385>.
    ///
    /// ```
    /// use wgrad::{Activation, Sequential};
    ///
    /// let network = Sequential::new(8)
    ///     .residual(|branch| branch.layer_norm().dense(16).activation(Activation::gelu()).dense(8))
    ///     .dense(3)
    ///     .build()?;
    /// assert_eq!(network.params()[2].name, "0.1.weight");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn residual(self, branch: impl FnOnce(Self) -> Self) -> Self {
        let inside = branch(Self { inputs: 0, layers: Vec::new() });
        self.layer(Residual::new(inside.layers))
    }

    /// Adds dropout: in training, each element becomes 0 with probability `rate` and the others are scaled up.
    pub fn dropout(self, rate: f64) -> Self {
        self.activation(Activation::dropout().set("rate", rate))
    }

    /// Checks every layer and names the parameters.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) without layers or parameters; [`Error::Shape`](crate::Error::Shape) or
    /// [`Error::Parameter`](crate::Error::Parameter), which name the invalid layer.
    pub fn build(&self) -> crate::Result<Network> {
        Network::new(self.inputs, self.layers.clone())
    }
}
