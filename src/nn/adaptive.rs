//! Adaptive softmax: a small head scores the frequent classes, clusters behind it score the rare ones.

use super::Custom;
use crate::error::{Error, Result};
use crate::ir::{Form, Program, Slot};
use crate::spec::{Activation, Arithmetic, Initializer};

const NAME: &str = "adaptive_log_softmax";

/// Log-probabilities of many classes, the most frequent first, for [`Loss::nll`](crate::Loss::nll). The head scores the
/// classes below the first cutoff and has one entry per cluster of the others; a cluster scores its own classes from
/// fewer features. Equals `log_prob` of `torch.nn.AdaptiveLogSoftmaxWithLoss`.
///
/// Grave et al. (2016), <https://arxiv.org/abs/1609.04309>.
///
/// ```
/// use wgrad::nn::AdaptiveLogSoftmax;
/// use wgrad::Sequential;
///
/// let layer = AdaptiveLogSoftmax::new(1000, &[20, 200]);
/// let network = Sequential::new(64).layer(layer).build()?;
/// assert_eq!(network.outputs(), 1000);
/// assert_eq!(network.params()[0].shape.to_vec(), [22, 64]); // 20 classes and two clusters
/// assert_eq!(network.params()[1].shape.to_vec(), [16, 64]);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct AdaptiveLogSoftmax {
    pub(crate) classes: usize,
    pub(crate) cutoffs: Vec<usize>,
    pub(crate) div_value: f64,
    pub(crate) head_bias: bool,
}

impl AdaptiveLogSoftmax {
    /// Creates a layer of `classes` classes whose clusters begin at the cutoffs; cluster i takes `inputs / 4^(i + 1)`
    /// features. The head has no bias.
    pub fn new(classes: usize, cutoffs: &[usize]) -> Self {
        Self { classes, cutoffs: cutoffs.to_vec(), div_value: 4.0, head_bias: false }
    }

    /// Sets the factor by which the number of features shrinks from one cluster to the next.
    pub fn div_value(self, div_value: f64) -> Self {
        Self { div_value, ..self }
    }

    /// Adds a bias to the head.
    pub fn head_bias(self) -> Self {
        Self { head_bias: true, ..self }
    }

    /// The layer over rows of `cols` elements, in the form of a user-defined layer: a function over a program.
    pub(super) fn over(&self, cols: usize) -> Result<Custom> {
        let bounds = self.bounds()?;
        let (weights, bias) = (Initializer::xavier_uniform(), self.head_bias);
        let shortlist = bounds.first().copied().unwrap_or(0);
        let head = shortlist + self.cutoffs.len();
        let forward = move |program: &mut Program, x: Slot, params: &[Slot]| {
            log_softmax(program, x, params, (shortlist, bias))
        };
        let mut layer = Custom::new(NAME, self.classes, forward);
        layer = layer.param("head.weight", &[head, cols], weights);
        if bias {
            layer = layer.param("head.bias", &[head], Initializer::zeros());
        }
        let mut features = cols as f64;
        for (number, (begin, end)) in bounds.iter().zip(bounds.iter().skip(1)).enumerate() {
            features /= self.div_value;
            let inner = (features as usize).max(1);
            layer = layer.param(&format!("tail.{number}.0.weight"), &[inner, cols], weights).param(
                &format!("tail.{number}.1.weight"),
                &[end - begin, inner],
                weights,
            );
        }
        Ok(layer)
    }

    /// The class indices at which the head and the clusters end.
    fn bounds(&self) -> Result<Vec<usize>> {
        let bounds: Vec<usize> = self.cutoffs.iter().copied().chain([self.classes]).collect();
        let rising = bounds.iter().zip(bounds.iter().skip(1)).all(|(before, next)| before < next);
        if self.cutoffs.is_empty() || !rising || bounds.first() == Some(&0) {
            let message = format!(
                "cutoffs {:?} must rise from at least 1 and stay below the {} classes",
                self.cutoffs, self.classes
            );
            return Err(Error::shape(NAME, message));
        }
        if !(self.div_value >= 1.0 && self.div_value.is_finite()) {
            let valid = "it must be a finite number, 1 or greater";
            return Err(Error::parameter(NAME, "div_value", self.div_value, valid));
        }
        Ok(bounds)
    }
}

/// The log-probabilities of all classes: those of the head, then for each cluster its own log-probability plus those of
/// its classes within it.
fn log_softmax(
    program: &mut Program,
    x: Slot,
    params: &[Slot],
    (shortlist, bias): (usize, bool),
) -> Result<Slot> {
    let missing = || Error::Internal(format!("{NAME} without its parameters"));
    let (head, mut clusters) = params.split_first().ok_or_else(missing)?;
    let f = Activation::log_softmax();
    let scores = program.matmul("scores", x, *head, Form::NT)?;
    if bias {
        let (bias, others) = clusters.split_first().ok_or_else(missing)?;
        program.add_row(*bias, scores)?;
        clusters = others;
    }
    let logs = program.activation("logs", f, scores)?;
    let mut parts = vec![program.slice("shortlist", logs, -1, 0..shortlist)?];
    for (place, cluster) in (shortlist..).zip(clusters.chunks_exact(2)) {
        let mut own = x;
        for weight in cluster {
            own = program.matmul("scores", own, *weight, Form::NT)?;
        }
        let own = program.activation("logs", f, own)?;
        let cluster = program.slice("cluster", logs, -1, place..place + 1)?;
        parts.push(program.arithmetic("logs", Arithmetic::Add, own, cluster)?);
    }
    program.concatenate("logs", &parts, -1)
}
