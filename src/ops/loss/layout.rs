//! The layout of the operands of a loss in rows.

use crate::ir::DType;
use crate::shape::Shape;
use crate::spec::loss::{ClassAxis, LossKind};
use crate::spec::{Loss, Reduction};

/// The layout of a prediction for a loss: `samples * inner` rows of `cols` elements at a stride of `inner`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LossLayout {
    pub samples: usize,
    pub cols: usize,
    pub inner: usize,
}

impl LossLayout {
    pub(crate) fn of(loss: &Loss, shape: Shape) -> Self {
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

    pub(crate) fn rows(&self) -> usize {
        self.samples * self.inner
    }

    /// The number of terms of a mean per sample; 0 if nothing is divided.
    pub(crate) fn terms_per_sample(&self, loss: &Loss, reduction: Reduction) -> usize {
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
