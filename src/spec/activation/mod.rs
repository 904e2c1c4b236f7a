//! Activations: elementwise maps and row-wise functions.

mod custom;
mod table;

use super::registry::{Choice, Values};
use super::row::RowKind;
use super::{Both, Real};
use crate::numeric::Float;

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

/// What an activation is.
#[derive(Debug)]
pub enum ActivationKind {
    /// y_i depends on x_i alone.
    Map(MapKind),
    /// y depends on the whole last axis.
    Row(RowKind),
}

/// What backward needs from forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saves {
    /// The activation's input.
    Input,
    /// The activation's output.
    Output,
}

/// The error an op may have against the `f64` reference: so many units in the last place of the reference, or `floor`,
/// whichever is larger.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Units in the last place.
    pub ulps: f64,
    /// Further units for each unit of `exponent`.
    pub ulps_per_unit: f64,
    /// The exponent that is rounded before `exp`, from the parameters and x; 0 where it is exact.
    pub exponent: fn(&Values, f64) -> f64,
    /// An absolute error that always passes; 0 unless the value crosses zero by cancellation.
    pub floor: f64,
    /// The largest |x| that the bound is stated for.
    pub domain: f64,
}

impl Tolerance {
    /// A bound in units in the last place alone.
    pub const fn ulps(ulps: f64) -> Self {
        let domain = f64::INFINITY;
        Self { ulps, ulps_per_unit: 0.0, exponent: |_, _| 0.0, floor: 0.0, domain }
    }

    /// A bound that grows with a rounded exponent.
    pub const fn growing(ulps: f64, ulps_per_unit: f64, exponent: fn(&Values, f64) -> f64) -> Self {
        Self { ulps_per_unit, exponent, ..Self::ulps(ulps) }
    }

    /// The same bound with an absolute floor.
    pub const fn or(self, floor: f64) -> Self {
        Self { floor, ..self }
    }

    /// The same bound for |x| up to `domain` only.
    pub const fn within(self, domain: f64) -> Self {
        Self { domain, ..self }
    }

    /// How many units in the last place are allowed at x.
    pub fn at(&self, values: &Values, x: f64) -> f64 {
        self.ulps + self.ulps_per_unit * (self.exponent)(values, x).abs()
    }
}

/// An elementwise activation.
#[derive(Debug)]
pub struct MapKind {
    /// The WGSL functions `forward` and `derivative`.
    pub shader: &'static str,
    /// What `derivative` takes.
    pub saves: Saves,
    /// Where the derivative or its slope jumps.
    pub kinks: fn(&Values) -> Vec<f64>,
    /// The error allowed to forward.
    pub forward: Tolerance,
    /// The error allowed to the derivative.
    pub derivative: Tolerance,
    /// The reference.
    pub passes: MapPasses,
}

/// The reference passes of an elementwise activation for both number types.
pub type MapPasses = Both<Map<f32>, Map<f64>>;

/// The reference passes of an elementwise activation over contiguous slices of equal length.
#[derive(Clone, Copy)]
pub struct Map<F: 'static> {
    /// `y = forward(x)`.
    pub forward: &'static (dyn Fn(&Values<F>, &[F], &mut [F]) + Send + Sync),
    /// `grad_in = grad_out * derivative(saved)`.
    pub backward: &'static (dyn Fn(&Values<F>, &[F], &[F], &mut [F]) + Send + Sync),
}

impl std::fmt::Debug for MapPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MapPasses")
    }
}

impl ActivationKind {
    /// What backward needs from forward.
    pub fn saves(&self) -> Saves {
        match self {
            Self::Map(map) => map.saves,
            Self::Row(row) => row.saves,
        }
    }
}

impl Activation {
    /// Runs the reference over rows of `cols` elements.
    pub fn forward<F: Real>(&self, cols: usize, x: &[F], y: &mut [F]) {
        let values = self.values_as();
        match &self.entry().kind {
            ActivationKind::Map(map) => (F::map(&map.passes).forward)(&values, x, y),
            ActivationKind::Row(row) => {
                let pass = F::rows(&row.passes).forward;
                x.chunks(cols.max(1))
                    .zip(y.chunks_mut(cols.max(1)))
                    .for_each(|(x, y)| pass(&values, x, y));
            }
        }
    }

    /// Runs the reference's backward pass over rows of `cols` elements; `saved` is what [`Saves`] says.
    pub fn backward<F: Real>(&self, cols: usize, saved: &[F], grad_out: &[F], grad_in: &mut [F]) {
        let values = self.values_as();
        match &self.entry().kind {
            ActivationKind::Map(map) => {
                (F::map(&map.passes).backward)(&values, saved, grad_out, grad_in)
            }
            ActivationKind::Row(row) => {
                let pass = F::rows(&row.passes).backward;
                let grads = grad_out.chunks(cols.max(1)).zip(grad_in.chunks_mut(cols.max(1)));
                saved
                    .chunks(cols.max(1))
                    .zip(grads)
                    .for_each(|(s, (g, out))| pass(&values, s, g, out));
            }
        }
    }
}

/// `y = f(x)` over slices.
pub(crate) fn map_slice<F: Float>(x: &[F], y: &mut [F], f: impl Fn(F) -> F) {
    x.iter().zip(y).for_each(|(&x, y)| *y = f(x));
}

/// `out = g * f(saved)` over slices.
pub(crate) fn scale_slice<F: Float>(saved: &[F], g: &[F], out: &mut [F], f: impl Fn(F) -> F) {
    saved.iter().zip(g).zip(out).for_each(|((&s, &g), out)| *out = g * f(s));
}

/// An elementwise activation from its two formulas, written once for `f32` and `f64`.
macro_rules! map {
    ($file:literal, saves: $saves:ident, kinks: $kinks:expr, forward: $bound:expr, derivative: $dbound:expr,
     $x:ident, $p:pat_param => $forward:expr, $s:ident, $q:pat_param => $derivative:expr $(,)?) => {{
        fn forward<F: Float>($p: &Values<F>, x: &[F], y: &mut [F]) {
            map_slice(x, y, |$x| $forward)
        }
        fn backward<F: Float>($q: &Values<F>, saved: &[F], grad_out: &[F], grad_in: &mut [F]) {
            scale_slice(saved, grad_out, grad_in, |$s| $derivative)
        }
        ActivationKind::Map(MapKind {
            shader: include_str!(concat!("../../../shaders/activation/", $file, ".wgsl")),
            saves: Saves::$saves,
            kinks: $kinks,
            forward: $bound,
            derivative: $dbound,
            passes: Both {
                f32: Map { forward: &forward::<f32>, backward: &backward::<f32> },
                f64: Map { forward: &forward::<f64>, backward: &backward::<f64> },
            },
        })
    }};
}
pub(crate) use map;
