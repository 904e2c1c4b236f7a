//! The adaptive softmax: frequent classes in a small layer, rare ones in clusters behind it.

use super::build::{Builder, Draw, Part, plain};
use crate::error::{Error, Result};
use crate::program::{Form, Program, Slot};
use crate::shape::Shape;
use crate::spec::{Activation, Arithmetic, Initializer};

/// Log-probabilities of many classes, frequent ones first, for [`Loss::nll`](crate::Loss::nll): the head scores the
/// classes below the first cutoff and one place for each cluster of the others; a cluster scores its own classes from
/// fewer features. As `torch.nn.AdaptiveLogSoftmaxWithLoss`, whose `log_prob` this gives.
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
pub struct AdaptiveLogSoftmax {
    pub(crate) classes: usize,
    pub(crate) cutoffs: Vec<usize>,
    pub(crate) div_value: f64,
    pub(crate) head_bias: bool,
}

impl AdaptiveLogSoftmax {
    /// `classes` classes, in clusters that begin at the cutoffs; cluster i sees `inputs / 4^(i + 1)` features. The head
    /// has no bias.
    pub fn new(classes: usize, cutoffs: &[usize]) -> Self {
        Self { classes, cutoffs: cutoffs.to_vec(), div_value: 4.0, head_bias: false }
    }

    /// By how much each cluster sees fewer features than the one before.
    pub fn div_value(self, div_value: f64) -> Self {
        Self { div_value, ..self }
    }

    /// With a bias in the head.
    pub fn head_bias(self) -> Self {
        Self { head_bias: true, ..self }
    }

    /// Where head and clusters begin and end.
    fn bounds(&self) -> Vec<usize> {
        self.cutoffs.iter().copied().chain([self.classes]).collect()
    }
}

/// A checked layer of this kind.
#[derive(Clone, Debug)]
pub(super) struct Adaptive {
    /// The number of the first parameter.
    head: usize,
    bias: bool,
    /// The end of the head, then those of the clusters.
    bounds: Vec<usize>,
}

impl Builder {
    pub(super) fn adaptive(
        &mut self,
        layer: &AdaptiveLogSoftmax,
        cols: usize,
        place: &str,
    ) -> Result<(Part, usize)> {
        let (op, bounds) = ("adaptive_log_softmax", layer.bounds());
        let rising = bounds.iter().zip(bounds.iter().skip(1)).all(|(before, next)| before < next);
        if layer.cutoffs.is_empty() || !rising || bounds.first() == Some(&0) {
            let message = format!(
                "cutoffs {:?} must rise from at least 1 and stay below the {} classes",
                layer.cutoffs, layer.classes
            );
            return Err(Error::shape(op, message));
        }
        if !(layer.div_value >= 1.0 && layer.div_value.is_finite()) {
            let (name, value) = ("div_value".to_string(), layer.div_value);
            let valid = "it must be a finite number, 1 or greater".to_string();
            return Err(Error::Parameter { op: op.to_string(), name, value, valid });
        }
        let clusters = layer.cutoffs.len();
        let first = bounds.first().copied().unwrap_or(1);
        let head = self.matrix(format!("{place}.head.weight"), [first + clusters, cols])?;
        if layer.head_bias {
            let shape = Shape::new(&[first + clusters])?;
            let info = plain(format!("{place}.head.bias"), shape);
            self.param(info, Draw::Repeated { values: vec![0.0], times: shape.len() });
        }
        let mut features = cols as f64;
        for (number, (begin, end)) in bounds.iter().zip(bounds.iter().skip(1)).enumerate() {
            features /= layer.div_value;
            let inner = (features as usize).max(1);
            self.matrix(format!("{place}.tail.{number}.0.weight"), [inner, cols])?;
            self.matrix(format!("{place}.tail.{number}.1.weight"), [end - begin, inner])?;
        }
        let adaptive = Adaptive { head, bias: layer.head_bias, bounds };
        Ok((Part::Adaptive(adaptive), layer.classes))
    }

    fn matrix(&mut self, name: String, extents: [usize; 2]) -> Result<usize> {
        let ([fan_out, fan_in], initializer) = (extents, Initializer::xavier_uniform());
        let info = plain(name, Shape::new(&extents)?);
        Ok(self.param(info, Draw::Random { initializer, fan_in, fan_out }))
    }
}

impl Adaptive {
    fn shortlist(&self) -> usize {
        self.bounds.first().copied().unwrap_or(0)
    }

    /// Each cluster's number and first parameter.
    fn clusters(&self) -> impl Iterator<Item = (usize, usize)> {
        let first = self.head + 1 + usize::from(self.bias);
        (0..self.bounds.len().saturating_sub(1)).map(move |number| (number, first + 2 * number))
    }

    pub fn forward(&self, program: &mut Program, name: &str, x: Slot) -> Result<Slot> {
        let (f, shortlist) = (Activation::log_softmax(), self.shortlist());
        let weight = program.param(self.head)?;
        let scores = program.matmul(name, x, weight, Form::NT)?;
        if self.bias {
            let bias = program.param(self.head + 1)?;
            program.add_row(bias, scores)?;
        }
        let logs = program.activation(name, f, scores)?;
        let mut parts = vec![program.slice(name, logs, -1, 0..shortlist)?];
        for (number, param) in self.clusters() {
            let (down, up) = (program.param(param)?, program.param(param + 1)?);
            let features = program.matmul(name, x, down, Form::NT)?;
            let scores = program.matmul(name, features, up, Form::NT)?;
            let own = program.activation(name, f, scores)?;
            let place = shortlist + number;
            let cluster = program.slice(name, logs, -1, place..place + 1)?;
            parts.push(program.arithmetic(name, Arithmetic::Add, own, cluster)?);
        }
        program.concatenate(name, &parts, -1)
    }
}
