//! The operands of losses, and how losses lay them out in rows.

use crate::program::{DType, Slot};
use crate::shape::Shape;
use crate::spec::loss::{ClassAxis, LossKind};
use crate::spec::{Loss, Reduction};

/// The operands of a loss, and the factor of its gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct LossInputs {
    /// The differentiable inputs, all of one shape: the prediction, or as many inputs as the loss has.
    pub predictions: Vec<Slot>,
    /// The target: of the same shape, or as the loss's registry entry says. `None` for losses without one.
    pub target: Option<Slot>,
    /// A weight per sample or row; for elementwise losses also one per element. It multiplies the terms, not the
    /// divisor of a mean.
    pub weight: Option<Slot>,
    /// A weight per class or column, for losses that take one.
    pub class_weight: Option<Slot>,
    /// For sequence losses: the number of time steps and of target classes of each sample, `u32`, in pairs.
    pub lengths: Option<Slot>,
    /// The factor of the gradients: dL/d(value).
    pub upstream: f64,
}

impl LossInputs {
    /// Creates the operands from a prediction and its target.
    pub fn new(prediction: Slot, target: Slot) -> Self {
        Self::of(&[prediction], Some(target))
    }

    /// Creates the operands from any number of predictions, and a target if the loss has one.
    pub fn of(predictions: &[Slot], target: Option<Slot>) -> Self {
        let predictions = predictions.to_vec();
        let (weight, class_weight, lengths) = (None, None, None);
        Self { predictions, target, weight, class_weight, lengths, upstream: 1.0 }
    }

    /// Sets a weight per sample, row or element.
    pub fn weight(self, weight: Slot) -> Self {
        Self { weight: Some(weight), ..self }
    }

    /// Sets a weight per class or column.
    pub fn class_weight(self, class_weight: Slot) -> Self {
        Self { class_weight: Some(class_weight), ..self }
    }

    /// Sets the lengths of sequences and of their targets.
    pub fn lengths(self, lengths: Slot) -> Self {
        Self { lengths: Some(lengths), ..self }
    }

    /// Sets the factor of the gradients.
    pub fn upstream(self, upstream: f64) -> Self {
        Self { upstream, ..self }
    }

    /// All slots that are read.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        let others = [self.target, self.weight, self.class_weight, self.lengths];
        self.predictions.iter().copied().chain(others.into_iter().flatten()).collect()
    }
}

/// The layout of a prediction for a loss: `samples * inner` rows of `cols` elements at a stride of `inner`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub samples: usize,
    pub cols: usize,
    pub inner: usize,
}

impl Layout {
    pub fn of(loss: &Loss, shape: Shape) -> Self {
        let first = shape.axis(0).unwrap_or(1);
        let rest = || shape.extents().skip(1).product();
        let (samples, cols, inner) = match &loss.entry().kind {
            LossKind::Elementwise(_) => (first, rest(), 1),
            LossKind::Ctc { .. } => (shape.axis(1).unwrap_or(1), shape.cols(), 1),
            LossKind::Row(_) if shape.rank() < 2 => (1, shape.len(), 1),
            LossKind::Row(row) => match row.axis {
                ClassAxis::Second => {
                    (first, shape.axis(1).unwrap_or(1), shape.extents().skip(2).product())
                }
                ClassAxis::Last => (shape.rows(), shape.cols(), 1),
                ClassAxis::Sample => (first, rest(), 1),
            },
        };
        Self { samples, cols, inner }
    }

    pub fn rows(&self) -> usize {
        self.samples * self.inner
    }

    /// The number of terms of a mean per sample; 0 if nothing is divided.
    pub fn terms_per_sample(&self, loss: &Loss, reduction: Reduction) -> usize {
        match reduction {
            Reduction::None | Reduction::Sum => 0,
            Reduction::BatchMean => 1,
            Reduction::Mean if loss.is_row_wise() => self.inner,
            Reduction::Mean => self.cols,
        }
    }
}

/// Returns whether the mean divides by the class weights of the targets.
pub(crate) fn has_weighted_mean(
    loss: &Loss,
    reduction: Reduction,
    target: Option<DType>,
    class_weight: bool,
) -> bool {
    reduction == Reduction::Mean
        && loss.has_weighted_mean()
        && target == Some(DType::U32)
        && (class_weight || loss.ignore_index().is_some())
}
