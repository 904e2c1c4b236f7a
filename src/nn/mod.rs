//! Networks: a stack of layers that becomes a program.

mod network;
mod programs;

pub use network::Network;
pub use programs::{Goal, TargetKind, Wiring};

use crate::spec::{Activation, Initializer};

/// A fully connected layer, `y = x W^T + b`, its weight of shape (outputs, inputs) as in `torch.nn.Linear`.
///
/// ```
/// use wgrad::{Dense, Initializer};
///
/// let layer = Dense::new(64).weights(Initializer::normal().with("std", 0.1)?).l2(5e-4, 5e-4);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    pub(crate) outputs: usize,
    pub(crate) weights: Option<Initializer>,
    pub(crate) biases: Option<Initializer>,
    /// The L1 penalties of weights and biases.
    pub(crate) l1: [f64; 2],
    /// The L2 penalties of weights and biases.
    pub(crate) l2: [f64; 2],
    /// What the learning rate is multiplied by for weights and biases.
    pub(crate) rates: [f64; 2],
    /// Whether the optimizer's weight decay applies to weights and biases.
    pub(crate) decays: [bool; 2],
}

impl Dense {
    /// A layer with a bias of zeros. Its weights are drawn from `kaiming_uniform` if an activation of the relu family
    /// follows, else from `xavier_uniform`.
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

    /// The initializer of the weights.
    pub fn weights(self, initializer: Initializer) -> Self {
        Self { weights: Some(initializer), ..self }
    }

    /// The initializer of the biases.
    pub fn biases(self, initializer: Initializer) -> Self {
        Self { biases: Some(initializer), ..self }
    }

    /// The layer without a bias.
    pub fn no_bias(self) -> Self {
        Self { biases: None, ..self }
    }

    /// The penalty `weight * sum |p|`, separately for weights and biases.
    pub fn l1(self, weights: f64, biases: f64) -> Self {
        Self { l1: [weights, biases], ..self }
    }

    /// The penalty `weight * sum p^2`, separately for weights and biases.
    pub fn l2(self, weights: f64, biases: f64) -> Self {
        Self { l2: [weights, biases], ..self }
    }

    /// What the learning rate is multiplied by, separately for weights and biases; 0 leaves them as they are.
    pub fn learning_rates(self, weights: f64, biases: f64) -> Self {
        Self { rates: [weights, biases], ..self }
    }

    /// The layer as it is: no step changes it.
    pub fn frozen(self) -> Self {
        self.learning_rates(0.0, 0.0)
    }

    /// Whether the optimizer's weight decay applies, separately for weights and biases.
    pub fn decays(self, weights: bool, biases: bool) -> Self {
        Self { decays: [weights, biases], ..self }
    }
}

/// A layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// Fully connected.
    Dense(Dense),
    /// An activation, along the last axis if it works along one, with its learned numbers if it has any.
    Activation(Activation),
}

impl Layer {
    /// The layer's kind, as messages call it.
    pub fn name(&self) -> String {
        match self {
            Self::Dense(dense) => format!("dense({})", dense.outputs),
            Self::Activation(f) => f.to_string(),
        }
    }
}

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
pub struct Sequential {
    inputs: usize,
    layers: Vec<Layer>,
}

impl Sequential {
    /// No layers yet, over rows of `inputs` features.
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

    /// Adds a maxout layer of `outputs` units: a fully connected layer of `pieces` affine maps for each, of which the
    /// largest is taken.
    pub fn maxout(self, outputs: usize, pieces: usize) -> Self {
        let f = Activation::maxout().set("pieces", pieces as f64);
        self.dense(outputs.saturating_mul(pieces)).activation(f)
    }

    /// Adds dropout: while training a share `rate` of the elements becomes 0 and the others are scaled up.
    pub fn dropout(self, rate: f64) -> Self {
        self.activation(Activation::dropout().set("rate", rate))
    }

    /// Checks every layer and names the parameters.
    ///
    /// # Errors
    /// [`Error::Empty`](crate::Error::Empty) without layers or parameters, [`Error::Shape`](crate::Error::Shape) or
    /// [`Error::Parameter`](crate::Error::Parameter) naming the layer that is wrong.
    pub fn build(&self) -> crate::Result<Network> {
        Network::new(self.inputs, self.layers.clone())
    }
}

impl From<Dense> for Layer {
    fn from(dense: Dense) -> Self {
        Self::Dense(dense)
    }
}
