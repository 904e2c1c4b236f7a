//! Activations: elementwise, row-wise, stochastic, axis-resizing and parametric functions.

mod axis_resize;
mod custom;
mod initializer;
mod parametric;
mod rows;
mod sine;
mod stochastic;
mod table;

pub use axis_resize::AxisResizeKind;
pub use initializer::DefaultInitializer;
pub(crate) use initializer::leaky_gain;
pub use parametric::{MAX_PARAMETRIC, Parametric, ParametricKind, ParametricPasses};
pub use rows::{RowForm, RowKind, RowMap, RowPasses};
pub use stochastic::{StochasticKind, StochasticMap, StochasticPasses};

use super::entries::registry;
use super::registry::{Choice, Entry, Kind, Values};
use super::{Both, Initializer, Real};
use crate::error::{Error, Result};

/// An activation with its parameters, such as `Activation::gelu()` or `"leaky_relu(alpha=0.2)".parse()`.
///
/// ```
/// use wgrad::Activation;
///
/// let leaky = Activation::leaky_relu().with("alpha", 0.2)?;
/// assert_eq!(leaky.to_string(), "leaky_relu(alpha=0.2)");
/// assert_eq!("LeakyReLU(alpha=0.2)".parse::<Activation>()?, leaky);
/// # Ok::<(), wgrad::Error>(())
/// ```
pub type Activation = Choice<ActivationKind>;

/// The kind of an activation, with its definition.
#[derive(Debug)]
pub enum ActivationKind {
    /// y_i depends on x_i alone.
    Elementwise(ElementwiseKind),
    /// y depends on a whole axis.
    Row(RowKind),
    /// y depends on x and, in training, on a random value per element.
    Stochastic(StochasticKind),
    /// The length of an axis changes.
    AxisResize(AxisResizeKind),
    /// y_i depends on x_i and on learned parameters.
    Parametric(ParametricKind),
}

registry! { ActivationKind, "activation",
    [table::ENTRIES, rows::ENTRIES, stochastic::ENTRIES, parametric::ENTRIES, axis_resize::ENTRIES]
}

/// The tensor that backward needs from forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saves {
    /// The activation's input.
    Input,
    /// The activation's output.
    Output,
    /// No tensor.
    Nothing,
}

/// The error bound of an op against the `f64` reference: a number of units in the last place of the reference, or
/// `floor`, whichever is larger.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// The bound in units in the last place.
    pub ulps: f64,
    /// Additional units per unit of `exponent`.
    pub ulps_per_unit: f64,
    /// The exponent that is rounded before `exp`, as a function of the parameters and x; 0 if it is exact.
    pub exponent: fn(&Values, f64) -> f64,
    /// The absolute error that is always allowed; 0 unless the value crosses zero by cancellation.
    pub floor: f64,
    /// The largest |x| for which the bound holds.
    pub domain: f64,
}

impl Tolerance {
    /// A bound in units in the last place only.
    pub const fn ulps(ulps: f64) -> Self {
        let domain = f64::INFINITY;
        Self { ulps, ulps_per_unit: 0.0, exponent: |_, _| 0.0, floor: 0.0, domain }
    }

    /// A bound that grows with the rounded exponent.
    pub const fn growing(ulps: f64, ulps_per_unit: f64, exponent: fn(&Values, f64) -> f64) -> Self {
        Self { ulps_per_unit, exponent, ..Self::ulps(ulps) }
    }

    /// The same bound with an absolute floor.
    pub const fn or(self, floor: f64) -> Self {
        Self { floor, ..self }
    }

    /// The same bound, restricted to |x| up to `domain`.
    pub const fn within(self, domain: f64) -> Self {
        Self { domain, ..self }
    }

    /// The number of units in the last place allowed at x.
    pub fn at(&self, values: &Values, x: f64) -> f64 {
        self.ulps + self.ulps_per_unit * (self.exponent)(values, x).abs()
    }
}

/// An elementwise activation.
#[derive(Debug)]
pub struct ElementwiseKind {
    /// The WGSL functions `forward` and `derivative`.
    pub shader: &'static str,
    /// The default initializer of the layer before it.
    pub initializer: DefaultInitializer,
    /// The argument of `derivative`.
    pub saves: Saves,
    /// The values of x at which the first or second derivative jumps.
    pub kinks: fn(&Values) -> Vec<f64>,
    /// The error bound of forward.
    pub forward: Tolerance,
    /// The error bound of the derivative.
    pub derivative: Tolerance,
    /// The reference passes.
    pub passes: ElementwisePasses,
    /// The second derivative, if defined.
    pub second: Option<Second>,
}

/// The second derivative of an elementwise activation: the WGSL function `second`, whose argument [`Saves`] names.
#[derive(Debug)]
pub struct Second {
    /// The error bound.
    pub bound: Tolerance,
    /// The reference: `grad_in = grad_out * second(saved)`.
    pub passes: SecondPasses,
}

/// The reference of a second derivative for both floating-point types.
pub type SecondPasses = Both<SecondPass<f32>, SecondPass<f64>>;

/// The reference of a second derivative over contiguous slices of equal length.
pub type SecondPass<F> = fn(&Values<F>, &[F], &[F], &mut [F]);

impl std::fmt::Debug for SecondPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecondPasses")
    }
}

/// The order of a derivative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The first.
    First,
    /// The second.
    Second,
}

/// The reference passes of an elementwise activation for both floating-point types.
pub type ElementwisePasses = Both<Map<f32>, Map<f64>>;

/// The reference passes of an elementwise activation over contiguous slices of equal length.
#[derive(Clone, Copy)]
pub struct Map<F: 'static> {
    /// `y = forward(x)`.
    pub forward: &'static (dyn Fn(&Values<F>, &[F], &mut [F]) + Send + Sync),
    /// `grad_in = grad_out * derivative(saved)`.
    pub backward: &'static (dyn Fn(&Values<F>, &[F], &[F], &mut [F]) + Send + Sync),
}

impl std::fmt::Debug for ElementwisePasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ElementwisePasses")
    }
}

impl Activation {
    /// The tensor that backward needs from forward.
    #[doc(hidden)]
    pub fn saves(&self) -> Saves {
        match &self.entry().kind {
            ActivationKind::Elementwise(map) => map.saves,
            ActivationKind::Row(row) => row.saves,
            ActivationKind::Stochastic(noise) => noise.saves,
            ActivationKind::AxisResize(_) | ActivationKind::Parametric(_) => Saves::Input,
        }
    }

    /// The default initializer of the weights of the layer before the activation; `None` if the activation preserves
    /// the scale, so that whatever follows it decides.
    ///
    /// ```
    /// use wgrad::{Activation, Initializer};
    ///
    /// assert_eq!(Activation::gelu().initializer(), Some(Initializer::kaiming_uniform()));
    /// assert_eq!(Activation::tanh().initializer(), Some(Initializer::xavier_uniform()));
    /// assert_eq!(Activation::dropout().initializer(), None);
    /// ```
    #[doc(hidden)]
    pub fn initializer(&self) -> Option<Initializer> {
        let suiting = match &self.entry().kind {
            ActivationKind::Elementwise(map) => map.initializer,
            ActivationKind::Row(row) => row.initializer,
            ActivationKind::Stochastic(noise) => noise.initializer,
            ActivationKind::AxisResize(fold) => fold.initializer,
            ActivationKind::Parametric(parametric) => parametric.initializer,
        };
        suiting(self.values())
    }

    /// Returns whether all outputs lie in [0, 1].
    pub(crate) fn gives_probabilities(&self) -> bool {
        let names = ["sigmoid", "hard_sigmoid", "sparse_sigmoid", "gaussian", "step"];
        match self.entry().kind {
            ActivationKind::Row(_) => self.name() != "log_softmax",
            _ => names.contains(&self.name()),
        }
    }

    /// The axis of the activation, counted from the last one if negative; `None` for elementwise activations.
    #[doc(hidden)]
    pub fn dim(&self) -> Option<isize> {
        self.get("dim").map(|dim| dim as isize)
    }

    /// Returns whether the activation draws random values in training.
    #[doc(hidden)]
    pub fn is_random(&self) -> bool {
        match &self.entry().kind {
            ActivationKind::Stochastic(_) => true,
            ActivationKind::Row(row) => row.eval_mode.is_some(),
            _ => false,
        }
    }

    /// Returns whether the activation has learned parameters.
    pub fn is_parametric(&self) -> bool {
        matches!(self.entry().kind, ActivationKind::Parametric(_))
    }

    /// The activation used outside training: the deterministic replacement of a random one, otherwise itself.
    pub fn eval_mode(&self) -> Self {
        match &self.entry().kind {
            ActivationKind::Stochastic(noise) => (noise.eval_mode)(self.values()),
            ActivationKind::Row(row) => row.eval_mode.map_or(*self, |f| f(self.values())),
            _ => *self,
        }
    }

    /// The initial values of the learned parameters for rows of `cols` elements: one vector per parameter,
    /// concatenated.
    pub fn initial_weights(&self, cols: usize) -> Option<Vec<f64>> {
        let (first, channels) = self.initial_values(cols)?;
        Some(first.into_iter().flat_map(|value| std::iter::repeat_n(value, channels)).collect())
    }

    /// The initial value of each learned parameter, and the number of channels, for rows of `cols` elements.
    pub(crate) fn initial_values(&self, cols: usize) -> Option<(Vec<f64>, usize)> {
        match &self.entry().kind {
            ActivationKind::Parametric(parametric) => {
                Some(parametric.initial_values(self.values(), cols))
            }
            _ => None,
        }
    }

    /// The output length of the activation's axis, given its input length.
    ///
    /// # Errors
    /// [`Error::Shape`] if the activation does not accept the length.
    #[doc(hidden)]
    pub fn output_len(&self, len: usize) -> Result<usize> {
        match &self.entry().kind {
            ActivationKind::AxisResize(fold) => {
                (fold.resize)(self.values(), len).map_err(|wanted| {
                    Error::shape(
                        format!("activation.{self}"),
                        format!("an axis of {len}; {wanted}"),
                    )
                })
            }
            _ => Ok(len),
        }
    }

    /// The reference passes of an elementwise activation.
    pub(crate) fn map<F: Real>(&self) -> Option<&'static Map<F>> {
        match &self.entry().kind {
            ActivationKind::Elementwise(kind) => Some(F::map(&kind.passes)),
            _ => None,
        }
    }

    /// Runs the reference over rows of `cols` elements: random activations as outside training, parametric ones with
    /// their initial values.
    #[doc(hidden)]
    pub fn forward<F: Real>(&self, cols: usize, x: &[F], y: &mut [F]) {
        let values = self.values_as();
        match &self.entry().kind {
            ActivationKind::Elementwise(map) => (F::map(&map.passes).forward)(&values, x, y),
            ActivationKind::Row(RowKind { passes, .. })
            | ActivationKind::AxisResize(AxisResizeKind { passes, .. }) => {
                let out = self.output_len(cols).unwrap_or(cols);
                let rows = x.chunks(cols.max(1)).zip(y.chunks_mut(out.max(1)));
                rows.for_each(|(x, y)| (F::rows(passes).forward)(&values, x, y));
            }
            ActivationKind::Stochastic(_) => self.eval_mode().forward(cols, x, y),
            ActivationKind::Parametric(parametric) => {
                let weights = self.initial_weights(cols).unwrap_or_default();
                let weights: Vec<F> = weights.into_iter().map(F::of).collect();
                parametric.forward(&weights, x, y);
            }
        }
    }

    /// Runs the reference's backward pass over rows of `cols` elements; [`Saves`] names the tensor `saved`.
    #[doc(hidden)]
    pub fn backward<F: Real>(&self, cols: usize, saved: &[F], grad_out: &[F], grad_in: &mut [F]) {
        let values = self.values_as();
        match &self.entry().kind {
            ActivationKind::Elementwise(map) => {
                (F::map(&map.passes).backward)(&values, saved, grad_out, grad_in)
            }
            ActivationKind::Row(RowKind { passes, .. })
            | ActivationKind::AxisResize(AxisResizeKind { passes, .. }) => {
                let out = self.output_len(cols).unwrap_or(cols);
                let grads = grad_out.chunks(out.max(1)).zip(grad_in.chunks_mut(cols.max(1)));
                let rows = saved.chunks(cols.max(1)).zip(grads);
                rows.for_each(|(s, (g, out))| (F::rows(passes).backward)(&values, s, g, out));
            }
            ActivationKind::Stochastic(_) => {
                self.eval_mode().backward(cols, saved, grad_out, grad_in)
            }
            ActivationKind::Parametric(parametric) => {
                let weights = self.initial_weights(cols).unwrap_or_default();
                let weights: Vec<F> = weights.into_iter().map(F::of).collect();
                let mut unused = vec![F::zero(); weights.len()];
                parametric.backward(&weights, saved, grad_out, grad_in, &mut unused);
            }
        }
    }

    /// Runs the reference of the second derivative, `out = grad_out * f''`; `None` if the activation has none.
    pub(crate) fn second<F: Real>(&self, saved: &[F], grad_out: &[F], out: &mut [F]) -> Option<()> {
        let ActivationKind::Elementwise(ElementwiseKind { second: Some(second), .. }) =
            &self.entry().kind
        else {
            return None;
        };
        F::second(&second.passes)(&self.values_as(), saved, grad_out, out);
        Some(())
    }

    /// Returns whether a second derivative is defined.
    pub fn has_second(&self) -> bool {
        matches!(&self.entry().kind, ActivationKind::Elementwise(map) if map.second.is_some())
    }
}

/// Defines `y = f(x)` over slices, and the same in wide vectors of `f32`. The formula is part of the loop's text: as a
/// function it might not be inlined.
macro_rules! map_slices {
    ($name:ident, $wide:ident, $x:ident, $p:pat_param => $f:expr) => {
        #[inline(always)]
        fn $name<F: Float>($p: &Values<F>, x: &[F], y: &mut [F]) {
            for (y, &$x) in y.iter_mut().zip(x) {
                *y = $f;
            }
        }
        crate::numeric::wide! {
            fn $wide(values: &Values<f32>, x: &[f32], y: &mut [f32]) {
                $name(values, x, y);
            }
        }
    };
}
pub(crate) use map_slices;

/// Defines `out = g * f(saved)` in the same way.
macro_rules! scale_slices {
    ($name:ident, $wide:ident, $s:ident, $p:pat_param => $f:expr) => {
        #[inline(always)]
        fn $name<F: Float>($p: &Values<F>, saved: &[F], grad_out: &[F], out: &mut [F]) {
            for ((out, &$s), g) in out.iter_mut().zip(saved).zip(grad_out) {
                *out = *g * $f;
            }
        }
        crate::numeric::wide! {
            fn $wide(values: &Values<f32>, saved: &[f32], grad_out: &[f32], out: &mut [f32]) {
                $name(values, saved, grad_out, out);
            }
        }
    };
}
pub(crate) use scale_slices;

/// Builds an elementwise activation from its two formulas, written once for `f32` and `f64`.
macro_rules! elementwise {
    ($file:literal, initializer: $initializer:expr, saves: $saves:ident, kinks: $kinks:expr, forward: $bound:expr, derivative: $dbound:expr,
     $x:ident, $p:pat_param => $forward:expr, $s:ident, $q:pat_param => $derivative:expr
     $(, second: $sbound:expr, $t:ident, $r:pat_param => $second:expr)? $(,)?) => {{
        crate::spec::activation::map_slices!(forward, forward_wide, $x, $p => $forward);
        crate::spec::activation::scale_slices!(backward, backward_wide, $s, $q => $derivative);
        ActivationKind::Elementwise(ElementwiseKind {
            shader: include_str!(concat!("../../../shaders/activation/", $file, ".wgsl")),
            initializer: $initializer,
            saves: Saves::$saves,
            kinks: $kinks,
            forward: $bound,
            derivative: $dbound,
            passes: Both {
                f32: Map { forward: &forward_wide, backward: &backward_wide },
                f64: Map { forward: &forward::<f64>, backward: &backward::<f64> },
            },
            second: crate::spec::activation::second!($($sbound, $t, $r => $second)?),
        })
    }};
}
pub(crate) use elementwise;

/// The second derivative, if a formula is given.
macro_rules! second {
    () => {
        None
    };
    ($bound:expr, $s:ident, $p:pat_param => $second:expr) => {{
        crate::spec::activation::scale_slices!(second, second_wide, $s, $p => $second);
        let passes = Both { f32: second_wide as _, f64: second::<f64> as _ };
        Some(crate::spec::activation::Second { bound: $bound, passes })
    }};
}
pub(crate) use second;
