//! Functions of a whole row: what a row-wise activation is, and sums and maxima for the reference.

use super::Both;
use super::activation::{Activation, Saves, Suiting, Tolerance};
use super::registry::Values;
use crate::numeric::{Float, tree_sum};

/// A row-wise activation.
#[derive(Debug)]
pub struct RowKind {
    /// The WGSL functions that `form` asks for.
    pub shader: &'static str,
    /// The initializer that suits the layer before it.
    pub initializer: Suiting,
    /// What the shader builds on.
    pub form: RowForm,
    /// What backward takes.
    pub saves: Saves,
    /// What takes its place outside training, if it is random.
    pub eval_mode: Option<fn(&Values) -> Activation>,
    /// The error allowed to forward.
    pub forward: Tolerance,
    /// The error allowed to backward, relative to the row's largest term.
    pub backward: Tolerance,
    /// The reference.
    pub passes: RowPasses,
}

/// What the WGSL text of a row-wise activation builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowForm {
    /// The row's maximum and sum of exponentials; backward one sum from the output: `score`, `exponent`, `forward`,
    /// `weight`, `backward`.
    Softmax,
    /// The same with random scores, which backward draws anew: `score`, `exponent`, and the functions of `Own`.
    Noisy,
    /// The place of the row's maximum: `score`, and the functions of `Own`.
    Argmax,
    /// The row's maximum: `score`, the types `Statistics` and `Totals` that row functions give, `row_statistics`,
    /// `result`, `row_totals`, `gradient`.
    Own,
}

/// The reference passes of a row-wise activation for both number types.
pub type RowPasses = Both<Rows<f32>, Rows<f64>>;

impl std::fmt::Debug for RowPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowPasses")
    }
}

/// The reference passes of a row-wise activation over one row; a random one takes scores with the noise added.
#[derive(Clone, Copy, Debug)]
pub struct Rows<F: 'static> {
    /// `y = forward(x)`.
    pub forward: fn(&Values<F>, &[F], &mut [F]),
    /// `grad_in = J^T grad_out` from the saved row.
    pub backward: fn(&Values<F>, &[F], &[F], &mut [F]),
}

/// The largest element; NaN only if all are.
pub(crate) fn maximum<F: Float>(x: &[F]) -> F {
    x.iter().copied().fold(F::neg_infinity(), F::max)
}

/// The sum by a balanced tree.
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
