//! The definition of an elementwise loss: one term per element.

use super::Domain;
use crate::spec::Both;
use crate::spec::registry::Values;

/// An elementwise loss.
#[derive(Debug)]
pub struct ElementwiseLoss {
    /// The WGSL functions `value` and `gradient`.
    pub shader: &'static str,
    /// The number of differentiable inputs: 1 (the prediction) or 2.
    pub inputs: usize,
    /// True if it accepts a weight per column, which multiplies its first parameter.
    pub column_weight: bool,
    /// The domains of the first prediction, the target and the second input.
    pub domain: [Domain; 3],
    /// The predictions at which the gradient jumps, given the target and the second input.
    pub kinks: fn(&Values, [f64; 2]) -> Vec<f64>,
    /// The smallest prediction that counts as positive, for losses of binary targets.
    pub threshold: Option<f64>,
    /// The reference passes.
    pub passes: ElementwiseLossPasses,
}

/// The reference of an elementwise loss for both floating-point types.
pub type ElementwiseLossPasses = Both<LossMap<f32>, LossMap<f64>>;

/// Slices of equal length: prediction, target and, for losses of two inputs, the second input.
pub type MapInputs<'a, F> = [&'a [F]; 3];

/// The reference of an elementwise loss over contiguous slices of equal length.
#[derive(Clone, Copy)]
pub struct LossMap<F: 'static> {
    /// `terms = value(prediction, target, second)`.
    pub terms: &'static (dyn Fn(&Values<F>, MapInputs<'_, F>, &mut [F]) + Send + Sync),
    /// The derivative of each term with respect to the input of the given index.
    pub gradient: &'static (dyn Fn(&Values<F>, MapInputs<'_, F>, usize, &mut [F]) + Send + Sync),
}

impl std::fmt::Debug for ElementwiseLossPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ElementwiseLossPasses")
    }
}

/// Both forms of the passes: in wide vectors of `f32`, and plainly in `f64`.
macro_rules! passes {
    ($terms:ident, $gradient:ident) => {{
        crate::numeric::wide! {
            fn wide_terms(p: &Values<f32>, inputs: MapInputs<'_, f32>, out: &mut [f32]) {
                $terms(p, inputs, out);
            }
        }
        crate::numeric::wide! {
            fn wide_gradient(p: &Values<f32>, inputs: MapInputs<'_, f32>, input: usize, out: &mut [f32]) {
                $gradient(p, inputs, input, out);
            }
        }
        Both {
            f32: LossMap { terms: &wide_terms, gradient: &wide_gradient },
            f64: LossMap { terms: &$terms::<f64>, gradient: &$gradient::<f64> },
        }
    }};
}
pub(super) use passes;

/// Builds an elementwise loss of one input from its two formulas, written once for `f32` and `f64`.
macro_rules! elementwise {
    ($file:literal, $prediction:ident to $target:ident, threshold: $threshold:expr, column_weight: $column:expr,
     kinks: |$kp:pat_param, $kt:pat_param| $kinks:expr,
     |$p:pat_param, $y:pat_param, $t:pat_param| $value:expr,
     |$q:pat_param, $gy:pat_param, $gt:pat_param| $gradient:expr $(,)?) => {{
        #[inline(always)]
        fn value<F: Float>($p: &Values<F>, $y: F, $t: F) -> F {
            $value
        }
        #[inline(always)]
        fn slope<F: Float>($q: &Values<F>, $gy: F, $gt: F) -> F {
            $gradient
        }
        #[inline(always)]
        fn terms<F: Float>(p: &Values<F>, [y, t, _]: MapInputs<'_, F>, out: &mut [F]) {
            for (out, (&y, &t)) in out.iter_mut().zip(y.iter().zip(t)) {
                *out = value(p, y, t);
            }
        }
        #[inline(always)]
        fn gradient<F: Float>(p: &Values<F>, [y, t, _]: MapInputs<'_, F>, _: usize, out: &mut [F]) {
            for (out, (&y, &t)) in out.iter_mut().zip(y.iter().zip(t)) {
                *out = slope(p, y, t);
            }
        }
        fn kinks($kp: &Values, [$kt, _]: [f64; 2]) -> Vec<f64> {
            $kinks
        }
        LossKind::Elementwise(ElementwiseLoss {
            shader: include_str!(concat!("../../../shaders/loss/", $file, ".wgsl")),
            inputs: 1,
            column_weight: $column,
            domain: [Domain::$prediction, Domain::$target, Domain::Real],
            kinks,
            threshold: $threshold,
            passes: crate::spec::loss::map::passes!(terms, gradient),
        })
    }};
    ($file:literal, $prediction:ident to $target:ident, threshold: $threshold:expr, $($rest:tt)*) => {
        elementwise!($file, $prediction to $target, threshold: $threshold, column_weight: false, $($rest)*)
    };
    ($file:literal, $prediction:ident to $target:ident, $($rest:tt)*) => {
        elementwise!($file, $prediction to $target, threshold: None, column_weight: false, $($rest)*)
    };
}
pub(super) use elementwise;

/// Builds a loss of two inputs a and b, whose derivatives are a pair.
macro_rules! pair {
    ($file:literal, ($first:ident, $second:ident) to $target:ident,
     kinks: |$kp:pat_param, $kt:pat_param, $kb:pat_param| $kinks:expr,
     |$p:pat_param, $a:pat_param, $b:pat_param, $t:pat_param| $value:expr,
     |$q:pat_param, $ga:pat_param, $gb:pat_param, $gt:pat_param| $gradient:expr $(,)?) => {{
        #[inline(always)]
        fn value<F: Float>($p: &Values<F>, $a: F, $b: F, $t: F) -> F {
            $value
        }
        #[inline(always)]
        fn slopes<F: Float>($q: &Values<F>, $ga: F, $gb: F, $gt: F) -> (F, F) {
            $gradient
        }
        #[inline(always)]
        fn terms<F: Float>(p: &Values<F>, [a, t, b]: MapInputs<'_, F>, out: &mut [F]) {
            for (out, ((&a, &b), &t)) in out.iter_mut().zip(a.iter().zip(b).zip(t)) {
                *out = value(p, a, b, t);
            }
        }
        #[inline(always)]
        fn gradient<F: Float>(
            p: &Values<F>,
            [a, t, b]: MapInputs<'_, F>,
            input: usize,
            out: &mut [F],
        ) {
            for (out, ((&a, &b), &t)) in out.iter_mut().zip(a.iter().zip(b).zip(t)) {
                let (by_a, by_b) = slopes(p, a, b, t);
                *out = if input == 0 { by_a } else { by_b };
            }
        }
        fn kinks($kp: &Values, [$kt, $kb]: [f64; 2]) -> Vec<f64> {
            $kinks
        }
        LossKind::Elementwise(ElementwiseLoss {
            shader: include_str!(concat!("../../../shaders/loss/", $file, ".wgsl")),
            inputs: 2,
            column_weight: false,
            domain: [Domain::$first, Domain::$target, Domain::$second],
            kinks,
            threshold: None,
            passes: crate::spec::loss::map::passes!(terms, gradient),
        })
    }};
}
pub(super) use pair;
