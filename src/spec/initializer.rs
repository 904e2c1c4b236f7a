//! Initializers: a parameter's first values, drawn on the host so that both devices start from the same bits.

use super::registry::{Alias, Choice, Entry, Kind, Param, Range, Values, registry};
use crate::random::{Key, Stream};

/// An initializer with its parameters, such as `Initializer::normal().with("std", 0.1)`.
///
/// ```
/// use wgrad::Initializer;
///
/// let weights = Initializer::xavier_uniform().draw(0, 0, 64, 32, 64 * 32);
/// let bound = (6.0f32 / 96.0).sqrt();
/// assert!(weights.iter().all(|w| w.abs() <= bound));
/// ```
pub type Initializer = Choice<InitializerKind>;

/// What an initializer is.
#[derive(Debug)]
pub struct InitializerKind {
    draw: fn(&Values, &Draw) -> f64,
}

/// What a draw may use.
struct Draw {
    fan_in: f64,
    fan_out: f64,
    key: Key,
    element: u32,
}

impl Draw {
    fn normal(&self, std: f64) -> f64 {
        std * self.key.normal(0, self.element)
    }

    fn uniform(&self, low: f64, high: f64) -> f64 {
        low + (high - low) * f64::from(self.key.uniform(0, self.element))
    }

    fn symmetric(&self, bound: f64) -> f64 {
        self.uniform(-bound, bound)
    }

    fn fan(&self, fan_out: f64) -> f64 {
        if fan_out == 1.0 { self.fan_out } else { self.fan_in }.max(1.0)
    }

    fn mean_fan(&self) -> f64 {
        ((self.fan_in + self.fan_out) / 2.0).max(1.0)
    }
}

const GAIN: Param = Param::new("gain", 1.0, Range::POSITIVE);
const RELU_GAIN: Param = Param::new("gain", std::f64::consts::SQRT_2, Range::POSITIVE);
const FAN_OUT: Param = Param::new("fan_out", 0.0, Range::FLAG);

registry! { InitializerKind, "initializer";
    zeros {
        aliases: [],
        params: [],
        formula: "0",
        source: "torch.nn.init.zeros_",
        kind: InitializerKind { draw: |_, _| 0.0 },
    }
    normal {
        aliases: [],
        params: [Param::new("mean", 0.0, Range::FINITE), Param::new("std", 1.0, Range::NOT_NEGATIVE)],
        formula: "N(mean, std^2)",
        source: "torch.nn.init.normal_",
        kind: InitializerKind { draw: |[mean, std, ..], draw| mean + draw.normal(*std) },
    }
    uniform {
        aliases: [],
        params: [Param::new("low", 0.0, Range::FINITE), Param::new("high", 1.0, Range::FINITE)],
        formula: "U(low, high)",
        source: "torch.nn.init.uniform_",
        kind: InitializerKind { draw: |[low, high, ..], draw| draw.uniform(*low, *high) },
    }
    xavier_uniform {
        aliases: [Alias::of("glorot_uniform"), Alias::of("xavier"), Alias::of("glorot")],
        params: [GAIN],
        formula: "U(-b, b), b = gain sqrt(6 / (fan_in + fan_out))",
        source: "torch.nn.init.xavier_uniform_; Glorot and Bengio 2010",
        kind: InitializerKind { draw: |[gain, ..], draw| draw.symmetric(gain * (3.0 / draw.mean_fan()).sqrt()) },
    }
    xavier_normal {
        aliases: [Alias::of("glorot_normal")],
        params: [GAIN],
        formula: "N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out))",
        source: "torch.nn.init.xavier_normal_; Glorot and Bengio 2010",
        kind: InitializerKind { draw: |[gain, ..], draw| draw.normal(gain / draw.mean_fan().sqrt()) },
    }
    kaiming_uniform {
        aliases: [Alias::of("he_uniform"), Alias::of("kaiming"), Alias::of("he")],
        params: [RELU_GAIN, FAN_OUT],
        formula: "U(-b, b), b = gain sqrt(3 / fan)",
        source: "torch.nn.init.kaiming_uniform_; He et al. 2015",
        kind: InitializerKind {
            draw: |[gain, fan_out, ..], draw| draw.symmetric(gain * (3.0 / draw.fan(*fan_out)).sqrt()),
        },
    }
    kaiming_normal {
        aliases: [Alias::of("he_normal")],
        params: [RELU_GAIN, FAN_OUT],
        formula: "N(0, s^2), s = gain / sqrt(fan)",
        source: "torch.nn.init.kaiming_normal_; He et al. 2015",
        kind: InitializerKind { draw: |[gain, fan_out, ..], draw| draw.normal(gain / draw.fan(*fan_out).sqrt()) },
    }
}

impl Initializer {
    /// Draws `len` values for the parameter of this index, from its own stream of the seed.
    pub fn draw(
        &self,
        seed: u64,
        index: u32,
        fan_in: usize,
        fan_out: usize,
        len: usize,
    ) -> Vec<f32> {
        let key = Key::new(seed, Stream::Init(index));
        let (fan_in, fan_out) = (fan_in as f64, fan_out as f64);
        let elements = 0..u32::try_from(len).unwrap_or(u32::MAX);
        let draw = |element| {
            (self.entry().kind.draw)(self.values(), &Draw { fan_in, fan_out, key, element })
        };
        elements.map(|element| draw(element) as f32).collect()
    }
}
