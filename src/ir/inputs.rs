//! The operands of losses.

use super::Slot;

/// The operands of a loss, and the factor of its gradients.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
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

    pub(crate) fn slots(&self) -> Vec<Slot> {
        let others = [self.target, self.weight, self.class_weight, self.lengths];
        self.predictions.iter().copied().chain(others.into_iter().flatten()).collect()
    }
}

/// The operands of a linear layer with the cross entropy of its outputs.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct LinearInputs<T = Slot> {
    /// The layer's inputs, (rows, features).
    pub x: T,
    /// Its weight, (classes, features).
    pub weight: T,
    /// Its bias, one element per class.
    pub bias: Option<T>,
    /// A class index per row.
    pub target: T,
    /// A weight per row.
    pub row_weight: Option<T>,
    /// A weight per class.
    pub class_weight: Option<T>,
    /// The factor of the gradients: dL/d(value).
    pub upstream: f64,
    /// The number of rows whose logits are in memory at a time; by default, as many as make the logits about as large
    /// as the inputs (Hsu et al. 2024, <https://arxiv.org/abs/2410.10989>).
    pub rows_at_once: Option<usize>,
}

/// The value of the loss and its gradients, if they are wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearLoss<T = Slot> {
    /// One element, or with [`Reduction::None`](crate::Reduction::None) one per row.
    pub value: T,
    /// The gradients with respect to inputs, weight and, if any, bias.
    pub gradients: Vec<T>,
}

impl<T> LinearInputs<T> {
    /// Creates the operands with neither a bias nor weights of rows and classes.
    pub fn new(x: T, weight: T, target: T) -> Self {
        let (bias, row_weight, class_weight, rows_at_once) = (None, None, None, None);
        let upstream = 1.0;
        Self { x, weight, bias, target, row_weight, class_weight, upstream, rows_at_once }
    }

    /// Sets a bias.
    pub fn bias(self, bias: T) -> Self {
        Self { bias: Some(bias), ..self }
    }

    /// Sets a weight per class.
    pub fn class_weight(self, class_weight: T) -> Self {
        Self { class_weight: Some(class_weight), ..self }
    }
}

/// The distances of triplets of an anchor, a positive and a negative, all of one shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TripletDistances<T = Slot> {
    /// From anchor to positive.
    pub positive: T,
    /// From anchor to negative.
    pub negative: T,
    /// From positive to negative; it replaces the distance from anchor to negative where it is smaller (`swap`).
    pub swapped: Option<T>,
}
