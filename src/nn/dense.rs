//! Fully connected layers.

use crate::spec::Initializer;

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
    /// norms, dropout and identity ([`Activation::initializer`](crate::Activation::initializer)): by `kaiming_uniform`
    /// with the activation's gain before relu and what is like it, by `lecun_normal` before selu, by SIREN's rule
    /// (`siren`) before sine; otherwise, and if no activation follows, by `xavier_uniform`. The README has a table.
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
