//! Row-wise activations: functions of the whole last axis.

use super::Both;
use super::activation::{ActivationKind, Saves, Tolerance};
use super::registry::Values;
use crate::numeric::{Float, tree_sum};

/// A row-wise activation built on a row's maximum and its sum of exponentials.
#[derive(Debug)]
pub struct RowKind {
    /// The WGSL functions `exponent`, `forward`, `weight` and `backward`.
    pub shader: &'static str,
    /// What backward takes.
    pub saves: Saves,
    /// The error allowed to forward, besides a unit in the last place for each unit of the exponent and each time that
    /// it is rounded: in x - max, and in its division by a temperature other than 1.
    pub forward: Tolerance,
    /// The error allowed to backward, relative to the terms that it is the difference of.
    pub backward: Tolerance,
    /// The reference.
    pub passes: RowPasses,
}

/// The reference passes of a row-wise activation for both number types.
pub type RowPasses = Both<Rows<f32>, Rows<f64>>;

impl std::fmt::Debug for RowPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowPasses")
    }
}

/// The reference passes of a row-wise activation over one row.
#[derive(Clone, Copy, Debug)]
pub struct Rows<F: 'static> {
    /// `y = forward(x)`.
    pub forward: fn(&Values<F>, &[F], &mut [F]),
    /// `grad_in = J^T grad_out` from the saved row.
    pub backward: fn(&Values<F>, &[F], &[F], &mut [F]),
}

macro_rules! row {
    ($file:literal, $forward:ident, $backward:ident) => {
        ActivationKind::Row(RowKind {
            shader: include_str!(concat!("../../shaders/activation/", $file, ".wgsl")),
            saves: Saves::Output,
            forward: Tolerance::ulps(8.0),
            backward: Tolerance::ulps(6.0),
            passes: Both {
                f32: Rows { forward: $forward::<f32>, backward: $backward::<f32> },
                f64: Rows { forward: $forward::<f64>, backward: $backward::<f64> },
            },
        })
    };
}

pub(super) const fn softmax() -> ActivationKind {
    fn forward<F: Float>([temperature, ..]: &Values<F>, x: &[F], y: &mut [F]) {
        let top = maximum(x);
        x.iter().zip(&mut *y).for_each(|(&x, y)| *y = ((x - top) / *temperature).exp());
        let sum = sum(y);
        y.iter_mut().for_each(|y| *y = *y / sum);
    }
    fn backward<F: Float>([temperature, ..]: &Values<F>, y: &[F], g: &[F], out: &mut [F]) {
        out.iter_mut().zip(y).zip(g).for_each(|((out, &y), &g)| *out = y * g);
        let total = sum(out);
        out.iter_mut()
            .zip(y)
            .zip(g)
            .for_each(|((out, &y), &g)| *out = y * (g - total) / *temperature);
    }
    row!("softmax", forward, backward)
}

pub(super) const fn log_softmax() -> ActivationKind {
    fn forward<F: Float>(_: &Values<F>, x: &[F], y: &mut [F]) {
        let (top, log_sum) = log_sum_exp(x);
        x.iter().zip(y).for_each(|(&x, y)| *y = (x - top) - log_sum);
    }
    fn backward<F: Float>(_: &Values<F>, y: &[F], g: &[F], out: &mut [F]) {
        let total = sum(g);
        out.iter_mut().zip(y).zip(g).for_each(|((out, &y), &g)| *out = g - y.exp() * total);
    }
    row!("log_softmax", forward, backward)
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
