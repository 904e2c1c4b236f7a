//! Losses: elementwise ones over equal shapes, row-wise ones over class scores.

mod table;

use super::registry::{Choice, Values};
use super::{Both, Real};
use crate::numeric::Float;

/// A loss with its parameters, such as `Loss::mse()` or `"cross_entropy(label_smoothing=0.1)".parse()`.
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
    /// The mean over the terms of the rows that take part.
    #[default]
    Mean,
    /// The sum of the terms.
    Sum,
}

/// What a loss is.
#[derive(Debug)]
pub enum LossKind {
    /// A term for each element; prediction and target have the same shape.
    Map(MapKind),
    /// A term for each row of scores; the target is a class index per row or a distribution over the row.
    Row(RowKind),
}

/// An elementwise loss.
#[derive(Debug)]
pub struct MapKind {
    /// The WGSL functions `value` and `gradient`.
    pub shader: &'static str,
    /// Where the gradient jumps, as values of prediction - target.
    pub kinks: &'static [f64],
    /// How an output says yes, for losses of a yes-or-no target: the prediction from which on the answer is yes.
    pub threshold: Option<f64>,
    /// The reference.
    pub passes: MapPasses,
}

/// The reference of an elementwise loss for both number types.
pub type MapPasses = Both<Map<f32>, Map<f64>>;

/// The reference of an elementwise loss over contiguous slices of equal length.
#[derive(Clone, Copy)]
pub struct Map<F: 'static> {
    /// `terms = value(prediction, target)`.
    pub terms: fn(&Values<F>, &[F], &[F], &mut [F]),
    /// `grad = scale * gradient(prediction, target)`.
    pub gradient: fn(&Values<F>, &[F], &[F], F, &mut [F]),
}

impl std::fmt::Debug for MapPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MapPasses")
    }
}

/// A row-wise loss.
#[derive(Debug)]
pub struct RowKind {
    /// The WGSL functions `term` and `slope`.
    pub shader: &'static str,
    /// Whether the shader needs the row's maximum and sum of exponentials.
    pub needs_log_sum_exp: bool,
    /// The reference.
    pub passes: RowPasses,
}

/// The reference of a row-wise loss for both number types.
pub type RowPasses = Both<Row<f32>, Row<f64>>;

/// The reference of a row-wise loss: the term of one row; with a gradient slice, also `scale * d term / d scores`.
pub type Row<F> = fn(&Values<F>, &[F], RowTarget<'_, F>, Option<(F, &mut [F])>) -> F;

impl std::fmt::Debug for RowPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowPasses")
    }
}

/// The target of one row.
#[derive(Clone, Copy, Debug)]
pub enum RowTarget<'a, F> {
    /// The index of the right class.
    Class(usize),
    /// A weight for each class, such as a one-hot row.
    Distribution(&'a [F]),
}

impl<F: Float> RowTarget<'_, F> {
    /// The target weight of one class.
    pub fn weight(&self, class: usize) -> F {
        match self {
            Self::Class(index) if *index == class => F::one(),
            Self::Class(_) => F::zero(),
            Self::Distribution(weights) => weights.get(class).copied().unwrap_or(F::zero()),
        }
    }
}

impl Loss {
    /// Whether the loss has a term per row of scores, and so takes class targets.
    pub fn is_row_wise(&self) -> bool {
        matches!(self.entry().kind, LossKind::Row(_))
    }

    /// The prediction from which on a yes-or-no answer is yes, for losses of such targets.
    pub fn threshold(&self) -> Option<f64> {
        match &self.entry().kind {
            LossKind::Map(map) => map.threshold,
            LossKind::Row(_) => None,
        }
    }

    /// The reference of an elementwise loss.
    pub(crate) fn map<F: Real>(&self) -> Option<&'static Map<F>> {
        match &self.entry().kind {
            LossKind::Map(map) => Some(F::loss_map(&map.passes)),
            LossKind::Row(_) => None,
        }
    }

    /// The reference of a row-wise loss.
    pub(crate) fn row<F: Real>(&self) -> Option<&'static Row<F>> {
        match &self.entry().kind {
            LossKind::Map(_) => None,
            LossKind::Row(row) => Some(F::loss_row(&row.passes)),
        }
    }
}

/// An elementwise loss from its two formulas, written once for `f32` and `f64`.
macro_rules! map {
    ($file:literal, kinks: $kinks:expr, threshold: $threshold:expr,
     $y:ident, $t:ident, $p:pat_param => $value:expr, $gy:ident, $gt:ident, $q:pat_param => $gradient:expr $(,)?) => {{
        fn terms<F: Float>($p: &Values<F>, y: &[F], t: &[F], out: &mut [F]) {
            out.iter_mut().zip(y.iter().zip(t)).for_each(|(out, (&$y, &$t))| *out = $value);
        }
        fn gradient<F: Float>($q: &Values<F>, y: &[F], t: &[F], scale: F, out: &mut [F]) {
            out.iter_mut()
                .zip(y.iter().zip(t))
                .for_each(|(out, (&$gy, &$gt))| *out = scale * $gradient);
        }
        LossKind::Map(MapKind {
            shader: include_str!(concat!("../../../shaders/loss/", $file, ".wgsl")),
            kinks: &$kinks,
            threshold: $threshold,
            passes: Both {
                f32: Map { terms: terms::<f32>, gradient: gradient::<f32> },
                f64: Map { terms: terms::<f64>, gradient: gradient::<f64> },
            },
        })
    }};
}
pub(crate) use map;
