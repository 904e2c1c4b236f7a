//! Losses: elementwise ones over equal shapes, row-wise ones over class scores or vectors.

mod classes;
pub(crate) mod ctc;
mod custom;
mod elementwise;
mod logits;
mod map;
mod row;
mod vectors;

pub use map::{ElementwiseKind, Map, MapInputs, MapPasses};
pub use row::{ClassAxis, Row, RowKind, RowPasses, RowTarget, RowView, TargetForm};

use super::Real;
use super::registry::{Choice, Entry, Kind, registry};

/// A loss with its parameters, such as `Loss::mse()` or `"cross_entropy(label_smoothing=0.1)".parse()`.
///
/// A NaN in a prediction or a target makes NaN of its element's term and gradient, in a row-wise loss of its row's, and so
/// of the mean; other elements and rows keep theirs. The row of `ctc` is a sequence.
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

/// How the terms of a loss become its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// One value per element (elementwise losses) or per row (row-wise losses).
    None,
    /// The mean over the terms of the rows that take part; of no terms, 0. `cross_entropy` and `nll` of class indices
    /// divide by the sum of the targets' class weights, without the rows of `ignore_index`, as PyTorch does. Weights
    /// of elements and rows do not change the divisor.
    #[default]
    Mean,
    /// The sum of the terms.
    Sum,
    /// The sum of the terms divided by how many samples (extents of the first axis) take part, PyTorch's `batchmean`.
    BatchMean,
}

impl Reduction {
    /// Every reduction.
    pub const ALL: [Self; 4] = [Self::None, Self::Mean, Self::Sum, Self::BatchMean];
}

/// What a loss is.
#[derive(Debug)]
pub enum LossKind {
    /// A term for each element; predictions and target have the same shape.
    Elementwise(ElementwiseKind),
    /// A term for each row of scores or vector.
    Row(RowKind),
    /// A term for each sequence of log-probabilities (time, samples, classes): connectionist temporal classification.
    Ctc {
        /// The whole kernel.
        shader: &'static str,
    },
}

registry! { LossKind, "loss", [elementwise::ENTRIES, classes::ENTRIES, vectors::ENTRIES, ctc::ENTRIES] }

/// The numbers that a prediction or a target may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Any number.
    Real,
    /// 0 to 1.
    Unit,
    /// -1 or 1.
    Sign,
    /// Greater than 0.
    Positive,
    /// Greater than -1.
    AboveMinusOne,
}

impl Loss {
    /// Whether the loss has a term per row, not per element.
    pub fn is_row_wise(&self) -> bool {
        !matches!(self.entry().kind, LossKind::Elementwise(_))
    }

    /// Whether a target can be a class index per row.
    pub fn takes_classes(&self) -> bool {
        self.target_forms().contains(&TargetForm::Class)
    }

    /// What a target can be.
    pub fn target_forms(&self) -> &'static [TargetForm] {
        match &self.entry().kind {
            LossKind::Elementwise(_) => &[TargetForm::Values],
            LossKind::Row(row) => row.targets,
            LossKind::Ctc { .. } => &[TargetForm::ClassList],
        }
    }

    /// How many differentiable inputs the loss has.
    pub fn inputs(&self) -> usize {
        match &self.entry().kind {
            LossKind::Elementwise(map) => map.inputs,
            LossKind::Row(row) => row.inputs,
            LossKind::Ctc { .. } => 1,
        }
    }

    /// Whether the loss takes a weight per class or column.
    pub fn takes_class_weight(&self) -> bool {
        match &self.entry().kind {
            LossKind::Elementwise(map) => map.column_weight,
            LossKind::Row(row) => row.class_weight,
            LossKind::Ctc { .. } => false,
        }
    }

    /// The class index that marks a row without a target; of a negative one, such as PyTorch's -100, the `u32` of the same
    /// bits.
    pub fn ignore_index(&self) -> Option<u32> {
        self.get("ignore_index").filter(|index| *index != -1.0).map(|index| index as i32 as u32)
    }

    /// Whether the loss is of whole sequences.
    pub fn is_sequence(&self) -> bool {
        matches!(self.entry().kind, LossKind::Ctc { .. })
    }

    /// Whether the mean divides by the class weights of the targets, not by the number of rows.
    pub(crate) fn has_weighted_mean(&self) -> bool {
        matches!(&self.entry().kind, LossKind::Row(row) if row.weighted_mean)
    }

    /// The prediction from which on a yes-or-no answer is yes, for losses of such targets.
    pub fn threshold(&self) -> Option<f64> {
        match &self.entry().kind {
            LossKind::Elementwise(map) => map.threshold,
            LossKind::Row(_) | LossKind::Ctc { .. } => None,
        }
    }

    /// The reference of an elementwise loss.
    pub(crate) fn map<F: Real>(&self) -> Option<&'static Map<F>> {
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
