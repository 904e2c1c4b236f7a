//! Losses and metrics as single ops.

use std::sync::Arc;

use super::Device;
use super::tensor::{PendingCheck, Tensor, wrong_count};
use crate::error::Result;
use crate::ir::{LinearInputs, LinearLoss, LossInputs, TripletDistances};
use crate::ops::loss::LossLayout;
use crate::spec::{Loss, Metric, Reduction};

/// The inputs of a loss as tensors; see [`LossInputs`].
#[derive(Clone, Copy, Debug)]
pub struct LossTensors<'a> {
    /// The differentiable inputs.
    pub predictions: &'a [&'a Tensor],
    /// The target, if the loss has one.
    pub target: Option<&'a Tensor>,
    /// A weight per row, sample or element.
    pub weight: Option<&'a Tensor>,
    /// A weight per class or column.
    pub class_weight: Option<&'a Tensor>,
    /// The lengths of sequences and of their targets.
    pub lengths: Option<&'a Tensor>,
    /// The upstream gradient: a factor of all gradients.
    pub upstream: f64,
}

impl<'a> LossTensors<'a> {
    /// Creates inputs with predictions and target but without weights.
    pub fn of(predictions: &'a [&'a Tensor], target: Option<&'a Tensor>) -> Self {
        let (weight, class_weight, lengths) = (None, None, None);
        Self { predictions, target, weight, class_weight, lengths, upstream: 1.0 }
    }
}

/// Losses and metrics as single ops.
///
/// ```
/// use ndarray::array;
/// use wgrad::{Device, Metric};
///
/// let device = Device::cpu();
/// let scores = device.tensor(&array![[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])?;
/// let classes = device.classes(&[1, 0, 0])?;
/// let accuracy = device.metric(Metric::Accuracy, &scores, &classes)?;
/// assert_eq!(accuracy.read()?.sum(), 2.0 / 3.0);
/// let matrix = device.confusion_matrix(&scores, &classes)?;
/// assert_eq!(matrix.read()?, array![[1.0, 1.0], [0.0, 1.0]].into_dyn());
/// # Ok::<(), wgrad::Error>(())
/// ```
impl Device {
    /// Computes a loss and its gradient with respect to the prediction.
    ///
    /// # Errors
    /// As [`Device::loss_of`].
    pub fn loss(
        &self,
        loss: Loss,
        reduction: Reduction,
        prediction: &Tensor,
        target: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let predictions = [prediction];
        let inputs = LossTensors::of(&predictions, Some(target));
        let (value, mut gradients) = self.loss_of(loss, reduction, inputs)?;
        Ok((value, gradients.pop().ok_or_else(wrong_count)?))
    }

    /// Computes a loss with all its optional inputs, and its gradients with respect to every differentiable input.
    ///
    /// ```
    /// use ndarray::array;
    /// use wgrad::device::LossTensors;
    /// use wgrad::{Device, Loss, Reduction};
    ///
    /// let device = Device::cpu();
    /// let [a, b, t] = [array![1.0, 2.0], array![0.5, 4.0], array![1.0, 1.0]].map(|x| device.tensor(&x));
    /// let (a, b, t) = (a?, b?, t?);
    /// let predictions = [&a, &b];
    /// let inputs = LossTensors::of(&predictions, Some(&t));
    /// let (value, gradients) = device.loss_of(Loss::margin_ranking(), Reduction::Sum, inputs)?;
    /// assert_eq!(value.read()?.sum(), 2.0);
    /// assert_eq!(gradients[1].read()?, array![0.0, 1.0].into_dyn());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Target`](crate::Error::Target) if bce or categorical_cross_entropy is given values outside 0 to 1, on a
    /// GPU only when value or gradient are read; [`Error::Shape`](crate::Error::Shape) and
    /// [`Error::Unsupported`](crate::Error::Unsupported) if inputs, target and weights do not match the loss;
    /// [`Error::Target`](crate::Error::Target) for a class out of range, also in the padding of a sequence's target;
    /// otherwise as [`Device::activation`].
    pub fn loss_of(
        &self,
        loss: Loss,
        reduction: Reduction,
        inputs: LossTensors<'_>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let has_classes = loss.takes_classes() || loss.is_sequence();
        if let (Some(first), Some(target), true) =
            (inputs.predictions.first(), inputs.target, has_classes)
        {
            let classes = LossLayout::of(&loss, first.shape()).cols;
            target.check_indices(&format!("loss.{loss}"), classes, loss.ignore_index())?;
        }
        let LossTensors { predictions, target, weight, class_weight, lengths, upstream } = inputs;
        let optional = [target, weight, class_weight, lengths];
        let tensors: Vec<&Tensor> =
            predictions.iter().copied().chain(optional.into_iter().flatten()).collect();
        let mut outputs = self.run(&tensors, |program, slots| {
            let (first, mut rest) = slots.split_at(predictions.len().min(slots.len()));
            let mut next = |tensor: Option<&Tensor>| {
                tensor.and_then(|_| {
                    let (slot, others) = rest.split_first()?;
                    rest = others;
                    Some(*slot)
                })
            };
            let [target, weight, class_weight, lengths] = optional.map(&mut next);
            let inputs = LossInputs {
                predictions: first.to_vec(),
                target,
                weight,
                class_weight,
                lengths,
                upstream,
            };
            let (value, gradients) = program.loss_of(loss, reduction, inputs, true)?;
            Ok(std::iter::once(value).chain(gradients).collect())
        })?;
        if outputs.is_empty() {
            return Err(wrong_count());
        }
        if loss.takes_probabilities() {
            let doubt = Arc::new(self.doubt(&loss, predictions, target)?);
            doubt.check_at_hand()?;
            outputs = outputs.into_iter().map(|output| output.doubted(&doubt)).collect();
        }
        let gradients = outputs.split_off(1);
        Ok((outputs.pop().ok_or_else(wrong_count)?, gradients))
    }

    /// Computes the fractions of elements that a loss takes as probabilities but that lie outside 0 to 1.
    fn doubt(
        &self,
        loss: &Loss,
        predictions: &[&Tensor],
        target: Option<&Tensor>,
    ) -> Result<PendingCheck> {
        let target = target.filter(|target| target.holds_numbers());
        let predictions = predictions.iter().map(|tensor| ("predictions", *tensor));
        let taken = predictions.chain(target.map(|target| ("targets", target)));
        let fraction = |(what, tensor): (&'static str, &Tensor)| {
            let fraction = self.metric(Metric::OutsideUnit, tensor, tensor)?;
            Ok((what, tensor.shape().len(), fraction))
        };
        let fractions = taken.map(fraction).collect::<Result<_>>()?;
        Ok(PendingCheck { op: format!("loss.{loss}"), fractions })
    }

    /// Computes the mean of a metric over all rows.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if the shapes of prediction and target do not match;
    /// [`Error::Target`](crate::Error::Target) for a class out of range; otherwise as [`Device::activation`].
    pub fn metric(&self, metric: Metric, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        target.check_indices(&format!("metric.{metric}"), prediction.shape().cols(), None)?;
        self.one(&[prediction, target], |program, slots| match slots {
            [prediction, target] => program.metric(metric, *prediction, *target),
            _ => Err(wrong_count()),
        })
    }

    /// Computes the confusion matrix: rows are the classes of the targets, columns the predicted classes (the index of
    /// the largest score, the first one on ties). Counts are exact up to 2^24.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) unless there is one class index per row of scores;
    /// [`Error::Target`](crate::Error::Target) for a class out of range; otherwise as [`Device::activation`].
    pub fn confusion_matrix(&self, scores: &Tensor, classes: &Tensor) -> Result<Tensor> {
        classes.check_indices("confusion_matrix", scores.shape().cols(), None)?;
        self.one(&[scores, classes], |program, slots| match slots {
            [scores, classes] => program.confusion_matrix(*scores, *classes),
            _ => Err(wrong_count()),
        })
    }

    /// Computes the cross entropy of `x weight^T + bias` and its gradients with respect to x, weight and bias without
    /// holding the logits of all rows in memory.
    ///
    /// ```
    /// use ndarray::array;
    /// use wgrad::ir::{Form, LinearInputs};
    /// use wgrad::{Device, Loss, Reduction};
    ///
    /// let device = Device::cpu();
    /// let x = device.tensor(&array![[1.0, 2.0], [0.5, -1.0]])?;
    /// let weight = device.tensor(&array![[0.1, 0.2], [0.3, -0.4], [0.5, 0.6]])?;
    /// let target = device.classes(&[2, 0])?;
    /// let inputs = LinearInputs::new(&x, &weight, &target);
    /// let loss = device.linear_cross_entropy(Loss::cross_entropy(), Reduction::Mean, &inputs)?;
    /// let logits = device.matmul(&x, &weight, Form::NT)?;
    /// let (value, _) = device.loss(Loss::cross_entropy(), Reduction::Mean, &logits, &target)?;
    /// assert!((loss.value.read()?.sum() - value.read()?.sum()).abs() < 1e-6);
    /// assert_eq!(loss.gradients[1].shape(), weight.shape());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Program::linear_cross_entropy`](crate::Program::linear_cross_entropy);
    /// [`Error::Target`](crate::Error::Target) for a class out of range; otherwise as [`Device::activation`].
    pub fn linear_cross_entropy(
        &self,
        loss: Loss,
        reduction: Reduction,
        inputs: &LinearInputs<&Tensor>,
    ) -> Result<LinearLoss<Tensor>> {
        let &LinearInputs { x, weight, bias, target, row_weight, class_weight, .. } = inputs;
        let &LinearInputs { upstream, rows_at_once, .. } = inputs;
        let classes = weight.shape().axis(0).unwrap_or(0);
        target.check_indices("linear_cross_entropy", classes, loss.ignore_index())?;
        let optional = [bias, row_weight, class_weight].into_iter().flatten();
        let tensors: Vec<&Tensor> = [x, weight, target].into_iter().chain(optional).collect();
        let mut outputs = self.run(&tensors, |program, slots| {
            let &[x, weight, target, ref optional @ ..] = slots else { return Err(wrong_count()) };
            let mut optional = optional.iter().copied();
            let inputs = LinearInputs {
                x,
                weight,
                target,
                bias: bias.and_then(|_| optional.next()),
                row_weight: row_weight.and_then(|_| optional.next()),
                class_weight: class_weight.and_then(|_| optional.next()),
                upstream,
                rows_at_once,
            };
            let LinearLoss { value, gradients } =
                program.linear_cross_entropy(loss, reduction, &inputs, true)?;
            Ok(std::iter::once(value).chain(gradients).collect())
        })?;
        let gradients = outputs.split_off(1.min(outputs.len()));
        Ok(LinearLoss { value: outputs.pop().ok_or_else(wrong_count)?, gradients })
    }

    /// Computes the triplet loss of given distances and its gradients with respect to each of them; see
    /// [`Program::triplet_margin_with_distance`](crate::Program::triplet_margin_with_distance).
    ///
    /// ```
    /// use ndarray::array;
    /// use wgrad::ir::TripletDistances;
    /// use wgrad::{Device, Reduction};
    ///
    /// let device = Device::cpu();
    /// let [positive, negative] = [array![0.5, 2.0], array![4.0, 1.5]].map(|d| device.tensor(&d));
    /// let (positive, negative) = (positive?, negative?);
    /// let distances = TripletDistances { positive: &positive, negative: &negative, swapped: None };
    /// let (value, by) = device.triplet_margin_with_distance(Reduction::Sum, 1.0, distances)?;
    /// assert_eq!(value.read()?.sum(), 1.5);
    /// assert_eq!(by[1].read()?, array![0.0, -1.0].into_dyn());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Program::triplet_margin_with_distance`](crate::Program::triplet_margin_with_distance); otherwise as
    /// [`Device::activation`].
    #[doc(hidden)]
    pub fn triplet_margin_with_distance(
        &self,
        reduction: Reduction,
        margin: f64,
        distances: TripletDistances<&Tensor>,
    ) -> Result<(Tensor, Vec<Tensor>)> {
        let TripletDistances { positive, negative, swapped } = distances;
        let tensors: Vec<&Tensor> =
            [Some(positive), Some(negative), swapped].into_iter().flatten().collect();
        let mut outputs = self.run(&tensors, |program, slots| {
            let &[positive, negative, ref rest @ ..] = slots else { return Err(wrong_count()) };
            let distances = TripletDistances { positive, negative, swapped: rest.first().copied() };
            let (value, by) = program.triplet_margin_with_distance(reduction, margin, distances)?;
            Ok(std::iter::once(value).chain(by).collect())
        })?;
        let gradients = outputs.split_off(1.min(outputs.len()));
        Ok((outputs.pop().ok_or_else(wrong_count)?, gradients))
    }
}
