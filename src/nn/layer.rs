//! Layers and their settings.

use super::{AdaptiveLogSoftmax, Custom};
use crate::error::{Error, Result};
use crate::spec::{Activation, Initializer, Normalization};

/// A fully connected layer, `y = x W^T + b`, with a weight of shape (outputs, inputs) as in `torch.nn.Linear`.
///
/// ```
/// use wgrad::{Dense, Initializer};
///
/// let layer = Dense::new(64).weights(Initializer::normal().with("std", 0.1)?).l2(5e-4, 5e-4);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Dense {
    pub(crate) outputs: usize,
    pub(crate) weights: Option<Initializer>,
    pub(crate) biases: Option<Initializer>,
    /// The L1 penalties of weights and biases.
    pub(crate) l1: [f64; 2],
    /// The L2 penalties of weights and biases.
    pub(crate) l2: [f64; 2],
    /// The learning-rate multipliers of weights and biases.
    pub(crate) rates: [f64; 2],
    /// True where the optimizer's weight decay applies, for weights and biases.
    pub(crate) decays: [bool; 2],
}

impl Dense {
    /// Creates a layer with a zero bias. Its weights are initialized for the activation that follows, looking past
    /// norms, dropout and identity ([`Activation::initializer`]): by `kaiming_uniform` with the activation's gain
    /// before relu, relu6, relu_squared, thresholded_relu, leaky_relu, prelu, rrelu, srelu, crelu, elu, celu, gelu,
    /// gelu_tanh, quick_gelu, silu, mish, tanh_exp, hard_swish, squareplus, softplus and the gated reglu, geglu and
    /// swiglu; by `lecun_normal` before selu; by SIREN's rule (`siren`) before sine; otherwise, and if no activation
    /// follows, by `xavier_uniform`.
    pub fn new(outputs: usize) -> Self {
        Self {
            outputs,
            weights: None,
            biases: Some(Initializer::zeros()),
            l1: [0.0; 2],
            l2: [0.0; 2],
            rates: [1.0; 2],
            decays: [true; 2],
        }
    }

    /// Sets the initializer of the weights.
    pub fn weights(self, initializer: Initializer) -> Self {
        Self { weights: Some(initializer), ..self }
    }

    /// Sets the initializer of the biases.
    pub fn biases(self, initializer: Initializer) -> Self {
        Self { biases: Some(initializer), ..self }
    }

    /// Removes the bias.
    pub fn no_bias(self) -> Self {
        Self { biases: None, ..self }
    }

    /// Sets the weight of the penalty `weight * sum |p|`, separately for weights and biases.
    pub fn l1(self, weights: f64, biases: f64) -> Self {
        Self { l1: [weights, biases], ..self }
    }

    /// Sets the weight of the penalty `weight * sum p^2`, separately for weights and biases.
    pub fn l2(self, weights: f64, biases: f64) -> Self {
        Self { l2: [weights, biases], ..self }
    }

    /// Sets the learning-rate multipliers, separately for weights and biases; 0 freezes them.
    pub fn learning_rates(self, weights: f64, biases: f64) -> Self {
        Self { rates: [weights, biases], ..self }
    }

    /// Freezes the layer: no step changes its parameters.
    pub fn frozen(self) -> Self {
        self.learning_rates(0.0, 0.0)
    }

    /// Sets whether the optimizer's weight decay applies, separately for weights and biases.
    pub fn decays(self, weights: bool, biases: bool) -> Self {
        Self { decays: [weights, biases], ..self }
    }
}

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

/// A residual block: the sum of its input and the output of its branch.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Residual {
    layers: Vec<Layer>,
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
