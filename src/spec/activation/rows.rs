//! Row-wise activations: their definition, and their table.

use super::initializer::XAVIER;
use super::{Activation, ActivationKind, DefaultInitializer, Saves, Tolerance};
use crate::numeric::{Float, count, log_sum_exp, maximum, sum};
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Alias, Choice, Entry, Values};

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
pub type RowPasses = Both<RowMap<f32>, RowMap<f64>>;

impl std::fmt::Debug for RowPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RowPasses")
    }
}

/// The reference passes of a row-wise activation over one row; those of a random one take the scores with the noise
/// already added.
#[derive(Clone, Copy, Debug)]
pub struct RowMap<F: 'static> {
    /// `y = forward(x)`.
    pub forward: fn(&Values<F>, &[F], &mut [F]),
    /// `grad_in = J^T grad_out` from the saved row.
    pub backward: fn(&Values<F>, &[F], &[F], &mut [F]),
}

const DIM: Param = Param::axis("dim", -1);
// The bound's exponent is the distance of the element below the row's largest.
const EXPONENTIAL: Tolerance = Tolerance::growing(8.0, 2.0, |_, below| below);

macro_rules! row {
    ($file:literal, $form:ident, $saves:ident, $eval_mode:expr, $bound:expr, $forward:ident, $backward:ident) => {
        ActivationKind::Row(RowKind {
            shader: include_str!(concat!("../../../shaders/activation/", $file, ".wgsl")),
            initializer: XAVIER,
            form: RowForm::$form,
            saves: Saves::$saves,
            eval_mode: $eval_mode,
            forward: $bound,
            backward: Tolerance::ulps(6.0),
            passes: Both {
                f32: RowMap { forward: wide::$forward, backward: wide::$backward },
                f64: RowMap { forward: $forward::<f64>, backward: $backward::<f64> },
            },
        })
    };
}

entries! { ActivationKind;
    softmax {
        aliases: [Alias::with("softmax2d", &[("dim", -3.0)])],
        params: [Param::new("temperature", 1.0, Range::POSITIVE), DIM],
        formula: "exp(x_i / temperature) / sum_j exp(x_j / temperature) along dim",
        source: "torch.nn.Softmax; Jacobian product y * (g - sum(g * y)) / temperature",
        kind: row!("softmax", Softmax, Output, None, EXPONENTIAL, softmax, softmax_backward),
    }
    softmin {
        aliases: [],
        params: [Param::new("temperature", 1.0, Range::POSITIVE), DIM],
        formula: "exp(-x_i / temperature) / sum_j exp(-x_j / temperature) along dim",
        source: "torch.nn.Softmin; Jacobian product -y * (g - sum(g * y)) / temperature",
        kind: row!("softmin", Softmax, Output, None, EXPONENTIAL, softmin, softmin_backward),
    }
    log_softmax {
        aliases: [],
        params: [DIM],
        formula: "x_i - log(sum_j exp(x_j)) along dim",
        source: "torch.nn.LogSoftmax; Jacobian product g - exp(y) * sum(g)",
        kind: row!("log_softmax", Softmax, Output, None, EXPONENTIAL, log_softmax, log_softmax_backward),
    }
    quiet_softmax {
        aliases: [],
        params: [DIM],
        formula: "exp(x_i) / (1 + sum_j exp(x_j)) along dim",
        source: "Miller 2023, Attention is off by one; Jacobian product y * (g - sum(g * y))",
        kind: row!("quiet_softmax", Softmax, Output, None, EXPONENTIAL, quiet_softmax, quiet_softmax_backward),
    }
    sparsemax {
        aliases: [],
        params: [DIM],
        formula: "max(x_i - t, 0) along dim, t such that the sum is 1",
        source: "Martins and Astudillo 2016; gradient g less its mean where y > 0, else 0",
        // The floor covers a difference of values up to 1.
        kind: row!("sparsemax", Own, Output, None, Tolerance::ulps(4.0).or(4e-7), sparsemax, sparsemax_backward),
    }
    hardmax {
        aliases: [],
        params: [DIM],
        formula: "1 at the first largest x along dim, else 0",
        source: "ONNX Hardmax; gradient 0",
        kind: row!("hardmax", Argmax, Output, None, Tolerance::ulps(0.0), hardmax, no_gradient),
    }
    gumbel_softmax {
        aliases: [],
        params: [Param::new("tau", 1.0, Range::POSITIVE), Param::flag("hard", false), DIM],
        formula: "softmax((x + n) / tau) along dim, n = -log(-log u) drawn while training; with hard 1 at the largest, else 0",
        source: "torch.nn.functional.gumbel_softmax; Jang et al. 2017; the gradient is that of the soft result",
        kind: row!("gumbel_softmax", Noisy, Input, Some(without_noise), EXPONENTIAL, gumbel, gumbel_backward),
    }
}

/// The passes in wide vectors of `f32`.
mod wide {
    use crate::numeric::wide;
    use crate::spec::registry::Values;

    macro_rules! rows {
        ($($name:ident($($slice:ident),*)),* $(,)?) => {$(
            wide! {
                pub(super) fn $name(values: &Values<f32>, $($slice: &[f32],)* out: &mut [f32]) {
                    super::$name(values, $($slice,)* out);
                }
            }
        )*};
    }
    rows! {
        softmax(x),
        softmin(x),
        log_softmax(x),
        quiet_softmax(x),
        sparsemax(x),
        hardmax(x),
        gumbel(x),
        softmax_backward(saved, grad_out),
        softmin_backward(saved, grad_out),
        log_softmax_backward(saved, grad_out),
        quiet_softmax_backward(saved, grad_out),
        sparsemax_backward(saved, grad_out),
        no_gradient(saved, grad_out),
        gumbel_backward(saved, grad_out),
    }
}

#[inline(always)]
fn softmax<F: Float>([temperature, ..]: &Values<F>, x: &[F], y: &mut [F]) {
    let top = maximum(x);
    x.iter().zip(&mut *y).for_each(|(&x, y)| *y = ((x - top) / *temperature).exp());
    let sum = sum(y);
    y.iter_mut().for_each(|y| *y = *y / sum);
}

#[inline(always)]
fn softmax_backward<F: Float>([temperature, ..]: &Values<F>, y: &[F], g: &[F], out: &mut [F]) {
    out.iter_mut().zip(y).zip(g).for_each(|((out, &y), &g)| *out = y * g);
    let total = sum(out);
    let terms = out.iter_mut().zip(y.iter().zip(g));
    terms.for_each(|(out, (&y, &g))| *out = y * (g - total) / *temperature);
}

#[inline(always)]
fn softmin<F: Float>(values: &Values<F>, x: &[F], y: &mut [F]) {
    let negative: Vec<F> = x.iter().map(|&x| -x).collect();
    softmax(values, &negative, y);
}

#[inline(always)]
fn softmin_backward<F: Float>(values: &Values<F>, y: &[F], g: &[F], out: &mut [F]) {
    softmax_backward(values, y, g, out);
    out.iter_mut().for_each(|out| *out = -*out);
}

#[inline(always)]
fn log_softmax<F: Float>(_: &Values<F>, x: &[F], y: &mut [F]) {
    let (top, log_sum) = log_sum_exp(x);
    x.iter().zip(y).for_each(|(&x, y)| *y = (x - top) - log_sum);
}

#[inline(always)]
fn log_softmax_backward<F: Float>(_: &Values<F>, y: &[F], g: &[F], out: &mut [F]) {
    let total = sum(g);
    out.iter_mut().zip(y).zip(g).for_each(|((out, &y), &g)| *out = g - y.exp() * total);
}

#[inline(always)]
fn quiet_softmax<F: Float>(_: &Values<F>, x: &[F], y: &mut [F]) {
    let top = maximum(x).max(F::zero());
    x.iter().zip(&mut *y).for_each(|(&x, y)| *y = (x - top).exp());
    let sum = sum(y) + (-top).exp();
    y.iter_mut().for_each(|y| *y = *y / sum);
}

#[inline(always)]
fn quiet_softmax_backward<F: Float>(_: &Values<F>, y: &[F], g: &[F], out: &mut [F]) {
    softmax_backward(&[F::one(); crate::spec::registry::MAX_PARAMS], y, g, out);
}

/// Sorts the row, as in the paper, to find the largest k with 1 + k z_k > sum of the k largest.
#[inline(always)]
fn sparsemax<F: Float>(_: &Values<F>, x: &[F], y: &mut [F]) {
    if let Some(nan) = x.iter().find(|x| x.is_nan()) {
        return y.fill(*nan);
    }
    let top = maximum(x);
    if top == F::infinity() {
        return y.fill(F::of(f64::NAN));
    }
    let mut sorted: Vec<F> = x.iter().map(|&x| x - top).collect();
    sorted.sort_unstable_by(|a, b| b.as_f64().total_cmp(&a.as_f64()));
    let (mut total, mut threshold) = (F::zero(), -F::one());
    for (index, &z) in sorted.iter().enumerate() {
        total = total + z;
        let k = count::<F>(index + 1);
        if F::one() + k * z <= total {
            break;
        }
        threshold = (total - F::one()) / k;
    }
    x.iter().zip(y).for_each(|(&x, y)| *y = ((x - top) - threshold).max(F::zero()));
}

#[inline(always)]
fn sparsemax_backward<F: Float>(_: &Values<F>, y: &[F], g: &[F], out: &mut [F]) {
    let inside: Vec<F> =
        y.iter().zip(g).filter(|(y, _)| **y > F::zero()).map(|(_, &g)| g).collect();
    let mean = sum(&inside) / count(inside.len().max(1));
    for (out, (&y, &g)) in out.iter_mut().zip(y.iter().zip(g)) {
        *out = if y > F::zero() { g - mean } else { F::zero() };
    }
}

#[inline(always)]
fn hardmax<F: Float>(_: &Values<F>, x: &[F], y: &mut [F]) {
    if let Some(nan) = x.iter().find(|x| x.is_nan()) {
        return y.fill(*nan);
    }
    let top = maximum(x);
    y.fill(F::zero());
    let first = x.iter().zip(y).find(|(x, _)| **x == top);
    first.into_iter().for_each(|(_, y)| *y = F::one());
}

#[inline(always)]
fn no_gradient<F: Float>(_: &Values<F>, _: &[F], _: &[F], out: &mut [F]) {
    out.fill(F::zero());
}

#[inline(always)]
fn gumbel<F: Float>(values: &Values<F>, scores: &[F], y: &mut [F]) {
    let [_, hard, ..] = *values;
    if hard == F::zero() { softmax(values, scores, y) } else { hardmax(values, scores, y) }
}

#[inline(always)]
fn gumbel_backward<F: Float>(values: &Values<F>, scores: &[F], g: &[F], out: &mut [F]) {
    let mut y = vec![F::zero(); scores.len()];
    softmax(values, scores, &mut y);
    softmax_backward(values, &y, g, out);
}

fn without_noise([tau, hard, dim, ..]: &Values) -> Activation {
    let soft = Activation::softmax().set("temperature", *tau);
    (if *hard == 0.0 { soft } else { Activation::hardmax() }).set("dim", *dim)
}
