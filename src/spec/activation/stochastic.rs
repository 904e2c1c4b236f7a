//! Activations that draw a random value per element in training.

use super::initializer::{KAIMING_OF_MEAN_SLOPE, KEEPS_SCALE};
use super::{Activation, ActivationKind, DefaultInitializer, Saves};
use crate::numeric::Float;
use crate::spec::Both;
use crate::spec::entries::entries;
use crate::spec::param::{Param, Range};
use crate::spec::registry::{Alias, Choice, Entry, MAX_PARAMS, Values};

/// An elementwise activation of x and a uniform random u in [0, 1).
#[derive(Debug)]
pub struct StochasticKind {
    /// The WGSL functions `forward` and `derivative` of x and u.
    pub shader: &'static str,
    /// The default initializer of the layer before it.
    pub initializer: DefaultInitializer,
    /// The argument of `derivative`, in addition to u.
    pub saves: Saves,
    /// The activation that replaces it outside training.
    pub eval_mode: fn(&Values) -> Activation,
    /// The fields of the shader's `Hyper`.
    pub fields: &'static [&'static str],
    /// The values of these fields, computed once on the host from the parameters.
    pub prepare: fn(&Values) -> Values,
    /// The reference, as functions of the prepared values.
    pub passes: StochasticPasses,
}

/// The reference of a stochastic activation for both floating-point types.
pub type StochasticPasses = Both<StochasticMap<f32>, StochasticMap<f64>>;

/// The reference of a stochastic activation: functions of the prepared values, x and u.
#[derive(Clone, Copy, Debug)]
pub struct StochasticMap<F: 'static> {
    /// The value.
    pub forward: fn(&Values<F>, F, F) -> F,
    /// The derivative with respect to x.
    pub derivative: fn(&Values<F>, F, F) -> F,
}

impl std::fmt::Debug for StochasticPasses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StochasticPasses")
    }
}

macro_rules! stochastic {
    ($file:literal, $initializer:expr, $saves:ident, $eval_mode:expr, $fields:expr, $prepare:expr, $forward:ident, $derivative:ident) => {
        ActivationKind::Stochastic(StochasticKind {
            shader: include_str!(concat!("../../../shaders/activation/", $file, ".wgsl")),
            initializer: $initializer,
            saves: Saves::$saves,
            eval_mode: $eval_mode,
            fields: &$fields,
            prepare: $prepare,
            passes: Both {
                f32: StochasticMap { forward: $forward::<f32>, derivative: $derivative::<f32> },
                f64: StochasticMap { forward: $forward::<f64>, derivative: $derivative::<f64> },
            },
        })
    };
}

entries! { ActivationKind;
    rrelu {
        aliases: [],
        params: [Param::new("lower", 1.0 / 8.0, Range::FINITE), Param::new("upper", 1.0 / 3.0, Range::FINITE).not_below("lower")],
        formula: "x if x > 0 else a x, a drawn from [lower, upper) while training, else their mean",
        source: "torch.nn.RReLU; Xu et al. 2015; derivative a at 0",
        kind: stochastic!("rrelu", KAIMING_OF_MEAN_SLOPE, Input, mean_slope, ["lower", "span"],
            |[lower, upper, ..]| first([*lower, upper - lower, 0.0, 0.0]), rrelu, rrelu_slope),
    }
    dropout {
        aliases: [],
        params: [Param::new("rate", 0.5, Range::BELOW_ONE)],
        formula: "0 with probability rate, else x / (1 - rate), while training; else x",
        source: "torch.nn.Dropout (p); Srivastava et al. 2014",
        kind: stochastic!("dropout", KEEPS_SCALE, Nothing, |_| Activation::identity(), ["rate", "scale"],
            // The rate as rounded on the device, so that both backends draw the same mask.
            |[rate, ..]| first([f64::from(*rate as f32), 1.0 / (1.0 - rate), 0.0, 0.0]), dropout, keep),
    }
    alpha_dropout {
        aliases: [Alias::of("selu_dropout")],
        params: [Param::new("rate", 0.5, Range::BELOW_ONE)],
        formula: "a z + b while training, z = x or, with probability rate, -1.758; a and b keep selu's mean 0 and variance 1",
        source: "torch.nn.AlphaDropout (p); Klambauer et al. 2017",
        kind: stochastic!("alpha_dropout", KEEPS_SCALE, Nothing, |_| Activation::identity(), ["rate", "scale", "shift", "dropped"],
            alpha_values, alpha_dropout, keep),
    }
}

fn first(values: [f64; 4]) -> Values {
    let mut all = [0.0; MAX_PARAMS];
    all.iter_mut().zip(values).for_each(|(place, value)| *place = value);
    all
}

fn rrelu_slope<F: Float>([lower, span, ..]: &Values<F>, x: F, u: F) -> F {
    if x > F::zero() { F::one() } else { *lower + *span * u }
}

fn rrelu<F: Float>(values: &Values<F>, x: F, u: F) -> F {
    x * rrelu_slope(values, x, u)
}

fn mean_slope([lower, upper, ..]: &Values) -> Activation {
    Activation::leaky_relu().set("alpha", 0.5 * (lower + upper))
}

fn dropout<F: Float>(values: &Values<F>, x: F, u: F) -> F {
    x * keep(values, x, u)
}

fn keep<F: Float>([rate, scale, ..]: &Values<F>, _: F, u: F) -> F {
    if u >= *rate { *scale } else { F::zero() }
}

/// The rate, a, b, and the value of a dropped element, a m + b with m = selu(-infinity).
fn alpha_values([rate, ..]: &Values) -> Values {
    let least = -1.0507009873554805 * 1.6732632423543772;
    let scale = ((1.0 - rate) * (1.0 + rate * least * least)).sqrt().recip();
    let shift = -scale * rate * least;
    first([f64::from(*rate as f32), scale, shift, scale * least + shift])
}

fn alpha_dropout<F: Float>([rate, scale, shift, dropped, ..]: &Values<F>, x: F, u: F) -> F {
    if u >= *rate { *scale * x + *shift } else { *dropped }
}
