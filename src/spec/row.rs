//! Row-wise functions: the definition of a row-wise activation, and the reference's sums and maxima.

use super::Both;
use super::activation::{Activation, DefaultInitializer, Saves, Tolerance};
use super::registry::Values;
use crate::numeric::{Float, tree_sum};

/// A row-wise activation.
#[derive(Debug)]
pub struct RowKind {
    /// The WGSL functions that `form` requires.
    pub shader: &'static str,
    /// The default initializer of the layer before it.
    pub initializer: DefaultInitializer,
    /// The kernel template that the shader's functions plug into.
    pub form: RowForm,
    /// The tensor that backward needs from forward.
    pub saves: Saves,
    /// The activation that replaces a random one outside training; `None` for a deterministic one.
    pub eval_mode: Option<fn(&Values) -> Activation>,
    /// The error bound of forward.
    pub forward: Tolerance,
    /// The error bound of backward, relative to the row's largest term.
    pub backward: Tolerance,
    /// The reference.
    pub passes: RowPasses,
}

/// The kernel template of a row-wise activation, with the WGSL functions that the shader must define.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowForm {
    /// Forward reduces the row to its maximum and its sum of exponentials, backward to one sum computed from the
    /// output: `score`, `exponent`, `forward`, `weight`, `backward`.
    Softmax,
    /// The same with random scores, which backward draws again: `score`, `exponent`, and the functions of `Own`.
    Noisy,
    /// The index of the row's maximum: `score`, and the functions of `Own`.
    Argmax,
    /// The row's maximum: `score`; the types `Statistics` and `Totals`, which `row_statistics` and `row_totals` return;
    /// `row_statistics`, `result`, `row_totals`, `gradient`.
    Own,
}

/// The reference passes of a row-wise activation for both floating-point types.
pub type RowPasses = Both<Rows<f32>, Rows<f64>>;

impl std::fmt::Debug for RowPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowPasses")
    }
}

/// The reference passes of a row-wise activation over one row; those of a random one take the scores with the noise
/// already added.
#[derive(Clone, Copy, Debug)]
pub struct Rows<F: 'static> {
    /// `y = forward(x)`.
    pub forward: fn(&Values<F>, &[F], &mut [F]),
    /// `grad_in = J^T grad_out` from the saved row.
    pub backward: fn(&Values<F>, &[F], &[F], &mut [F]),
}

/// The largest element; NaN elements are ignored.
pub(crate) fn maximum<F: Float>(x: &[F]) -> F {
    x.iter().copied().fold(F::neg_infinity(), F::max)
}

/// The sum, computed over a balanced tree.
#[allow(
    clippy::indexing_slicing,
    reason = "tree_sum asks for indices below the length it was given"
)]
pub(crate) fn sum<F: Float>(x: &[F]) -> F {
    tree_sum(x.len(), &|i| x[i])
}

/// The maximum m and log(sum exp(x - m)).
#[allow(
    clippy::indexing_slicing,
    reason = "tree_sum asks for indices below the length it was given"
)]
pub(crate) fn log_sum_exp<F: Float>(x: &[F]) -> (F, F) {
    let top = maximum(x);
    (top, tree_sum(x.len(), &|i| (x[i] - top).exp()).ln())
}
