//! The adaptive softmax: frequent classes in a small layer, rare ones in clusters behind it.

use super::build::{Builder, Draw, Part, plain};
use crate::error::{Error, Result};
use crate::program::{Form, Program, Slot};
use crate::shape::Shape;
use crate::spec::{Activation, Arithmetic, Initializer, Reduce};

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

/// What forward leaves for backward.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    /// Scores and log-probabilities of the head.
    head: (Slot, Slot),
    /// Features, scores and log-probabilities of each cluster.
    tails: Vec<(Slot, (Slot, Slot))>,
}

impl Adaptive {
    fn shortlist(&self) -> usize {
        self.bounds.first().copied().unwrap_or(0)
    }

    /// Each cluster's number, classes and first parameter.
    fn clusters(&self) -> impl Iterator<Item = (usize, std::ops::Range<usize>, usize)> {
        let first = self.head + 1 + usize::from(self.bias);
        let ranges = self.bounds.iter().zip(self.bounds.iter().skip(1));
        ranges
            .enumerate()
            .map(move |(number, (begin, end))| (number, *begin..*end, first + 2 * number))
    }

    pub fn forward(&self, program: &mut Program, name: &str, x: Slot) -> Result<(Slot, Saved)> {
        let (f, shortlist) = (Activation::log_softmax(), self.shortlist());
        let weight = program.param(self.head)?;
        let scores = program.matmul(name, x, weight, Form::NT)?;
        if self.bias {
            let bias = program.param(self.head + 1)?;
            program.add_row(bias, scores)?;
        }
        let logs = program.activation(name, f, scores)?;
        let mut parts = vec![program.slice(name, logs, -1, 0..shortlist)?];
        let mut tails = Vec::new();
        for (number, _, param) in self.clusters() {
            let (down, up) = (program.param(param)?, program.param(param + 1)?);
            let features = program.matmul(name, x, down, Form::NT)?;
            let scores = program.matmul(name, features, up, Form::NT)?;
            let own = program.activation(name, f, scores)?;
            let place = shortlist + number;
            let cluster = program.slice(name, logs, -1, place..place + 1)?;
            parts.push(program.arithmetic(name, Arithmetic::Add, own, cluster)?);
            tails.push((features, (scores, own)));
        }
        let y = program.concatenate(name, &parts, -1)?;
        Ok((y, Saved { head: (scores, logs), tails }))
    }

    /// Fills the gradients of the parameters; gives dL/dx.
    pub fn backward(
        &self,
        program: &mut Program,
        name: &str,
        (x, saved): (Slot, &Saved),
        grad: Slot,
    ) -> Result<Slot> {
        let f = Activation::log_softmax();
        let mut parts = vec![program.slice(name, grad, -1, 0..self.shortlist())?];
        let column = Shape::new(&[program.shape(x)?.rows(), 1])?;
        let mut below = Vec::new();
        for ((_, classes, param), (features, logs)) in self.clusters().zip(&saved.tails) {
            let own = program.slice(name, grad, -1, classes)?;
            let sum = program.reduce(name, Reduce::Sum, own, &[-1])?;
            parts.push(program.reshape(name, sum, column)?);
            let scores = program.activation_backward(name, f, *logs, own)?;
            let (d_down, d_up) = (program.grad(param)?, program.grad(param + 1)?);
            let (down, up) = (program.param(param)?, program.param(param + 1)?);
            program.matmul_into(scores, *features, Form::TN, d_up)?;
            let features = program.matmul(name, scores, up, Form::NN)?;
            program.matmul_into(features, x, Form::TN, d_down)?;
            below.push(program.matmul(name, features, down, Form::NN)?);
        }
        let logs = program.concatenate(name, &parts, -1)?;
        let scores = program.activation_backward(name, f, saved.head, logs)?;
        let (weight, d_weight) = (program.param(self.head)?, program.grad(self.head)?);
        program.matmul_into(scores, x, Form::TN, d_weight)?;
        if self.bias {
            let d_bias = program.grad(self.head + 1)?;
            program.sum_rows_into(scores, d_bias)?;
        }
        let mut total = program.matmul(name, scores, weight, Form::NN)?;
        for part in below {
            total = program.arithmetic(name, Arithmetic::Add, total, part)?;
        }
        Ok(total)
    }
}
