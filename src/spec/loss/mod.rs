//! Losses: elementwise ones over equal shapes, row-wise ones over class scores or vectors, and CTC over sequences.

mod classes;
pub(crate) mod ctc;
mod custom;
mod elementwise;
mod logits;
mod map;
mod row;
mod vectors;

pub use map::{ElementwiseLoss, ElementwiseLossPasses, LossMap, MapInputs};
pub use row::{ClassAxis, Row, RowLoss, RowLossPasses, RowTarget, RowView, TargetForm};

use super::Real;
use super::entries::registry;
use super::registry::{Choice, Entry, Kind};

/// A loss with its parameters, such as `Loss::mse()` or `"cross_entropy(label_smoothing=0.1)".parse()`.
///
/// A NaN in a prediction or a target makes the term and the gradient of its element NaN (of its row in a row-wise
/// loss), and so the mean; other elements and rows are unaffected. A row of `ctc` is a sequence.
///
/// ```
/// use wgrad::Loss;
///
/// assert_eq!("softmax_cross_entropy".parse::<Loss>()?, Loss::cross_entropy());
/// let error = "mean_square".parse::<Loss>().unwrap_err().to_string();
/// assert!(error.contains("mean_squared_error"), "{error}");
/// # Ok::<(), wgrad::Error>(())
/// ```
pub type Loss = Choice<LossKind>;

/// The reduction of a loss's terms to its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// No reduction: one value per element (elementwise losses) or per row (row-wise losses).
    None,
    /// The mean over the terms of the rows that are not ignored; 0 if there are none. For class indices,
    /// `cross_entropy` and `nll` divide by the sum of the targets' class weights, excluding rows of `ignore_index`, as
    /// PyTorch does. Weights of elements and rows do not change the divisor.
    #[default]
    Mean,
    /// The sum of the terms.
    Sum,
    /// The sum of the terms divided by the number of samples (extents of the first axis) that are not ignored,
    /// PyTorch's `batchmean`.
    BatchMean,
}

impl Reduction {
    /// Every reduction.
    #[doc(hidden)]
    pub const ALL: [Self; 4] = [Self::None, Self::Mean, Self::Sum, Self::BatchMean];
}

/// The kind of a loss, with its definition.
#[derive(Debug)]
pub enum LossKind {
    /// One term per element; predictions and target have the same shape.
    Elementwise(ElementwiseLoss),
    /// One term per row of scores or vector.
    Row(RowLoss),
    /// One term per sequence of log-probabilities (time, samples, classes): connectionist temporal classification.
    Ctc {
        /// The WGSL source of the whole kernel.
        shader: &'static str,
    },
}

registry! { LossKind, "loss", [elementwise::ENTRIES, classes::ENTRIES, vectors::ENTRIES, ctc::ENTRIES] }

/// The valid values of a prediction or a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Any real value.
    Real,
    /// From 0 to 1.
    Unit,
    /// -1 or 1.
    Sign,
    /// Greater than 0.
    Positive,
    /// Greater than -1.
    AboveMinusOne,
}

impl Loss {
    /// Returns whether the loss has one term per row rather than per element.
    #[doc(hidden)]
    pub fn is_row_wise(&self) -> bool {
        !matches!(self.entry().kind, LossKind::Elementwise(_))
    }

    /// Returns whether the target may be one class index per row.
    #[doc(hidden)]
    pub fn takes_classes(&self) -> bool {
        self.target_forms().contains(&TargetForm::Class)
    }

    /// The accepted forms of the target.
    #[doc(hidden)]
    pub fn target_forms(&self) -> &'static [TargetForm] {
        match &self.entry().kind {
            LossKind::Elementwise(_) => &[TargetForm::Values],
            LossKind::Row(row) => row.targets,
            LossKind::Ctc { .. } => &[TargetForm::ClassList],
        }
    }

    /// The number of differentiable inputs.
    #[doc(hidden)]
    pub fn inputs(&self) -> usize {
        match &self.entry().kind {
            LossKind::Elementwise(map) => map.inputs,
            LossKind::Row(row) => row.inputs,
            LossKind::Ctc { .. } => 1,
        }
    }

    /// Returns whether the loss accepts a weight per class or column.
    #[doc(hidden)]
    pub fn takes_class_weight(&self) -> bool {
        match &self.entry().kind {
            LossKind::Elementwise(map) => map.column_weight,
            LossKind::Row(row) => row.class_weight,
            LossKind::Ctc { .. } => false,
        }
    }

    /// The class index that marks rows without a target. A negative one, such as PyTorch's -100, is reinterpreted as
    /// the `u32` of the same bits.
    pub fn ignore_index(&self) -> Option<u32> {
        self.get("ignore_index").filter(|index| *index != -1.0).map(|index| index as i32 as u32)
    }

    /// Returns whether the loss is computed over whole sequences.
    #[doc(hidden)]
    pub fn is_sequence(&self) -> bool {
        matches!(self.entry().kind, LossKind::Ctc { .. })
    }

    /// Returns whether the mean divides by the sum of the targets' class weights instead of the number of rows.
    pub(crate) fn has_weighted_mean(&self) -> bool {
        matches!(&self.entry().kind, LossKind::Row(row) if row.weighted_mean)
    }

    /// The smallest prediction that counts as positive, for losses of binary targets.
    pub(crate) fn threshold(&self) -> Option<f64> {
        match &self.entry().kind {
            LossKind::Elementwise(map) => map.threshold,
            LossKind::Row(_) | LossKind::Ctc { .. } => None,
        }
    }

    /// The reference of an elementwise loss.
    pub(crate) fn map<F: Real>(&self) -> Option<&'static LossMap<F>> {
        match &self.entry().kind {
            LossKind::Elementwise(map) => Some(F::loss_map(&map.passes)),
            LossKind::Row(_) | LossKind::Ctc { .. } => None,
        }
    }

    /// The reference of a row-wise loss.
    pub(crate) fn row<F: Real>(&self) -> Option<&'static Row<F>> {
        match &self.entry().kind {
            LossKind::Elementwise(_) | LossKind::Ctc { .. } => None,
            LossKind::Row(row) => Some(F::loss_row(&row.passes)),
        }
    }
}
