//! Initializers: the initial values of parameters, drawn on the host so that both backends start from the same bits.

use ndarray::ArrayD;

use super::Activation;
use super::activation::leaky_gain;
use super::entries::{entries, registry};
use super::param::{Param, Range};
use super::registry::{Alias, Choice, Entry, Kind, Values};
use crate::error::{Error, Result};
use crate::numeric::check_memory;
use crate::random::{Key, Stream};
use crate::shape::Shape;

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

/// The formula of an initializer.
#[derive(Debug)]
pub enum InitializerKind {
    /// Computes each element's value independently.
    Element(fn(&Values, &Sampler) -> f64),
    /// Computes the whole matrix, from its numbers of rows and columns.
    Matrix(fn(&Values, Key, usize, usize) -> Vec<f64>),
}

use InitializerKind::{Element, Matrix};

/// The inputs of an elementwise initializer: fan-in, fan-out, random key and element index.
pub struct Sampler {
    fan_in: f64,
    fan_out: f64,
    key: Key,
    element: u32,
}

impl Sampler {
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

    /// A normal value, redrawn until it lies in the range. After 1000 draws, which only a range far from the mean
    /// needs, the nearer bound.
    fn truncated(&self, mean: f64, std: f64, [low, high]: [f64; 2]) -> f64 {
        let draws = (0..1000).map(|turn| mean + std * self.key.normal(turn, self.element));
        let found = draws.into_iter().find(|x| (low..=high).contains(x));
        found.unwrap_or(if mean < low { low } else { high })
    }

    /// Keras's VarianceScaling.
    fn variance_scaling(&self, scale: f64, mode: f64, distribution: f64) -> f64 {
        let fan = match mode {
            FAN_IN => self.fan(0.0),
            2.0 => self.mean_fan(),
            _ => self.fan(1.0),
        };
        let std = (scale / fan).sqrt();
        match distribution {
            TRUNCATED => self.truncated(
                0.0,
                std / TRUNCATED_STD,
                [-2.0, 2.0].map(|x| x * std / TRUNCATED_STD),
            ),
            2.0 => self.symmetric(3f64.sqrt() * std),
            _ => self.normal(std),
        }
    }

    fn mean_fan(&self) -> f64 {
        ((self.fan_in + self.fan_out) / 2.0).max(1.0)
    }
}

/// The standard deviation of a standard normal distribution truncated at -2 and 2.
const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;
const FAN_IN: f64 = 0.0;
const TRUNCATED: f64 = 0.0;
const FANS: &[&str] = &["fan_in", "fan_out", "fan_avg"];
const DISTRIBUTIONS: &[&str] = &["truncated_normal", "untruncated_normal", "uniform"];

const GAIN: Param = Param::new("gain", 1.0, Range::POSITIVE);
const RELU_GAIN: Param = Param::new("gain", std::f64::consts::SQRT_2, Range::POSITIVE);
const FAN_OUT: Param = Param::flag("fan_out", false);

registry! { InitializerKind, "initializer", [ENTRIES] }

entries! { InitializerKind;
    zeros {
        aliases: [],
        params: [],
        formula: "0",
        source: "torch.nn.init.zeros_",
        kind: Element(|_, _| 0.0),
    }
    normal {
        aliases: [],
        params: [Param::new("mean", 0.0, Range::FINITE), Param::new("std", 1.0, Range::NOT_NEGATIVE)],
        formula: "N(mean, std^2)",
        source: "torch.nn.init.normal_",
        kind: Element(|[mean, std, ..], draw| mean + draw.normal(*std)),
    }
    uniform {
        aliases: [],
        params: [Param::new("low", 0.0, Range::FINITE), Param::new("high", 1.0, Range::FINITE)],
        formula: "U(low, high)",
        source: "torch.nn.init.uniform_",
        kind: Element(|[low, high, ..], draw| draw.uniform(*low, *high)),
    }
    xavier_uniform {
        aliases: [Alias::of("glorot_uniform"), Alias::of("xavier"), Alias::of("glorot")],
        params: [GAIN],
        formula: "U(-b, b), b = gain sqrt(6 / (fan_in + fan_out))",
        source: "torch.nn.init.xavier_uniform_; Glorot and Bengio 2010",
        kind: Element(|[gain, ..], draw| draw.symmetric(gain * (3.0 / draw.mean_fan()).sqrt())),
    }
    xavier_normal {
        aliases: [Alias::of("glorot_normal")],
        params: [GAIN],
        formula: "N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out))",
        source: "torch.nn.init.xavier_normal_; Glorot and Bengio 2010",
        kind: Element(|[gain, ..], draw| draw.normal(gain / draw.mean_fan().sqrt())),
    }
    kaiming_uniform {
        aliases: [Alias::of("he_uniform"), Alias::of("kaiming"), Alias::of("he")],
        params: [RELU_GAIN, FAN_OUT],
        formula: "U(-b, b), b = gain sqrt(3 / fan)",
        source: "torch.nn.init.kaiming_uniform_; He et al. 2015",
        kind: Element(|[gain, fan_out, ..], draw| draw.symmetric(gain * (3.0 / draw.fan(*fan_out)).sqrt())),
    }
    kaiming_normal {
        aliases: [Alias::of("he_normal")],
        params: [RELU_GAIN, FAN_OUT],
        formula: "N(0, s^2), s = gain / sqrt(fan)",
        source: "torch.nn.init.kaiming_normal_; He et al. 2015",
        kind: Element(|[gain, fan_out, ..], draw| draw.normal(gain / draw.fan(*fan_out).sqrt())),
    }
    ones {
        aliases: [],
        params: [],
        formula: "1",
        source: "torch.nn.init.ones_",
        kind: Element(|_, _| 1.0),
    }
    constant {
        aliases: [],
        params: [Param::required("value", 0.1, Range::FINITE)],
        formula: "value",
        source: "torch.nn.init.constant_",
        kind: Element(|[value, ..], _| *value),
    }
    truncated_normal {
        aliases: [Alias::of("trunc_normal")],
        params: [
            Param::new("mean", 0.0, Range::FINITE), Param::new("std", 1.0, Range::POSITIVE),
            Param::new("low", -2.0, Range::FINITE), Param::new("high", 2.0, Range::FINITE),
        ],
        formula: "N(mean, std^2), drawn again until it lies between low and high",
        source: "torch.nn.init.trunc_normal_",
        kind: Element(|[mean, std, low, high, ..], draw| draw.truncated(*mean, *std, [*low, *high])),
    }
    lecun_uniform {
        aliases: [],
        params: [],
        formula: "U(-b, b), b = sqrt(3 / fan_in)",
        source: "Keras LecunUniform; LeCun et al. 1998",
        kind: Element(|_, draw| draw.variance_scaling(1.0, FAN_IN, 2.0)),
    }
    lecun_normal {
        aliases: [Alias::of("lecun")],
        params: [],
        formula: "N(0, s^2) cut off at 2 deviations and widened so that its deviation is 1 / sqrt(fan_in)",
        source: "Keras LecunNormal and jax.nn.initializers.lecun_normal; LeCun et al. 1998",
        kind: Element(|_, draw| draw.variance_scaling(1.0, FAN_IN, TRUNCATED)),
    }
    variance_scaling {
        aliases: [],
        params: [
            Param::new("scale", 1.0, Range::POSITIVE), Param::choice("mode", FANS),
            Param::choice("distribution", DISTRIBUTIONS),
        ],
        formula: "variance scale / fan, by mode fan_in, fan_out or their mean; the truncated normal is cut off at 2 deviations",
        source: "Keras VarianceScaling",
        kind: Element(|[scale, mode, distribution, ..], draw| draw.variance_scaling(*scale, *mode, *distribution)),
    }
    torch_linear {
        aliases: [],
        params: [],
        formula: "U(-b, b), b = 1 / sqrt(fan_in), for weights and biases",
        source: "what torch.nn.Linear begins with",
        kind: Element(|_, draw| draw.symmetric(1.0 / draw.fan(0.0).sqrt())),
    }
    siren {
        aliases: [],
        params: [Param::new("omega", 30.0, Range::POSITIVE), Param::flag("first", false)],
        formula: "U(-b, b), b = sqrt(6 / fan_in) / omega, or with first, for the layer that takes the inputs, 1 / fan_in",
        source: "Sitzmann et al. 2020, SIREN",
        kind: Element(|[omega, first, ..], draw| {
            let fan = draw.fan(0.0);
            draw.symmetric(if *first == 1.0 { 1.0 / fan } else { (6.0 / fan).sqrt() / omega })
        }),
    }
    orthogonal {
        aliases: [],
        params: [GAIN],
        formula: "gain times a random matrix whose rows or columns, whichever are fewer, are orthonormal",
        source: "torch.nn.init.orthogonal_; Saxe et al. 2014",
        kind: Matrix(orthogonal),
    }
    eye {
        aliases: [Alias::of("identity")],
        params: [GAIN],
        formula: "gain on the diagonal, 0 elsewhere",
        source: "torch.nn.init.eye_",
        kind: Matrix(|[gain, ..], _, rows, cols| {
            let at = |i: usize| if i / cols == i % cols { *gain } else { 0.0 };
            (0..rows * cols).map(at).collect()
        }),
    }
    sparse {
        aliases: [],
        params: [Param::required("sparsity", 0.5, Range::UNIT), Param::new("std", 0.01, Range::NOT_NEGATIVE)],
        formula: "N(0, std^2); in each column a fraction `sparsity` of the rows, rounded up, is 0",
        source: "torch.nn.init.sparse_; Martens 2010",
        kind: Matrix(sparse),
    }
}

fn sparse([sparsity, std, ..]: &Values, key: Key, rows: usize, cols: usize) -> Vec<f64> {
    let zeros = (sparsity * rows as f64).ceil() as u32;
    let at = |i: usize| {
        let (row, col) = ((i / cols) as u32, (i % cols) as u32);
        // Round 0 of the permutation's stream is used by the values.
        let is_zero = key.permute(col + 1, row, rows as u32) < zeros;
        if is_zero { 0.0 } else { std * key.normal(0, i as u32) }
    };
    (0..rows * cols).map(at).collect()
}

/// Gram-Schmidt over normal vectors, applied twice to each, which makes them orthogonal up to rounding. The signs are
/// not normalized, so the result is uniformly distributed over all such matrices.
fn orthogonal([gain, ..]: &Values, key: Key, rows: usize, cols: usize) -> Vec<f64> {
    let (count, length) = (rows.min(cols), rows.max(cols));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    for number in 0..count {
        let first = number * length;
        let mut vector: Vec<f64> =
            (first..first + length).map(|element| key.normal(0, element as u32)).collect();
        for _ in 0..2 {
            for other in &vectors {
                let overlap: f64 = vector.iter().zip(other).map(|(a, b)| a * b).sum();
                vector.iter_mut().zip(other).for_each(|(a, b)| *a -= overlap * b);
            }
        }
        let norm = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
        vectors.push(vector);
    }
    let at = |row: usize, col: usize| {
        let (number, place) = if rows <= cols { (row, col) } else { (col, row) };
        vectors.get(number).and_then(|vector| vector.get(place)).map_or(0.0, |x| gain * x)
    };
    (0..rows)
        .flat_map(|row| (0..cols).map(move |col| (row, col)))
        .map(|(row, col)| at(row, col))
        .collect()
}

impl Initializer {
    /// Returns whether the initializer applies only to matrices, not to biases.
    #[doc(hidden)]
    pub fn needs_matrix(&self) -> bool {
        matches!(self.entry().kind, Matrix(_))
    }

    /// The gain that preserves the scale of signals through layers with this activation (torch.nn.init.calculate_gain);
    /// 1 if no value is recommended.
    #[doc(hidden)]
    pub fn gain(activation: &Activation) -> f64 {
        match activation.name() {
            "tanh" => 5.0 / 3.0,
            "relu" => 2f64.sqrt(),
            "leaky_relu" => leaky_gain(activation.get("alpha").unwrap_or(0.01)),
            "selu" => 0.75,
            _ => 1.0,
        }
    }

    /// Draws a tensor of this shape, (outputs, inputs) for a matrix; a vector's fans are its length.
    ///
    /// ```
    /// let weights = wgrad::Initializer::kaiming_uniform().array(&[64, 32], 7)?;
    /// assert_eq!(weights.shape(), [64, 32]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Parameter`] for a parameter outside its range; [`Error::Shape`] unless there are one or two axes, two
    /// for an initializer that draws a matrix.
    pub fn array(&self, shape: &[usize], seed: u64) -> Result<ArrayD<f32>> {
        self.validate()?;
        let (fan_in, fan_out) = match *shape {
            [rows, cols] => (cols, rows),
            [len] if !self.needs_matrix() => (len, len),
            _ => {
                let message = format!("shape {shape:?}, where it draws a matrix or a vector");
                return Err(Error::shape(self.name(), message));
            }
        };
        let len = Shape::new(shape)?.len();
        check_memory(self.name(), len as u64 * 4)?;
        let values = self.draw(seed, 0, fan_in, fan_out, len);
        ArrayD::from_shape_vec(shape, values).map_err(|error| Error::Internal(error.to_string()))
    }

    /// Draws `len` values for parameter number `index` from that parameter's own stream of the seed.
    pub fn draw(
        &self,
        seed: u64,
        index: u32,
        fan_in: usize,
        fan_out: usize,
        len: usize,
    ) -> Vec<f32> {
        let key = Key::new(seed, Stream::Init(index));
        match &self.entry().kind {
            Matrix(draw) => {
                let rows = len.checked_div(fan_in).unwrap_or(0);
                let values = draw(self.values(), key, rows, fan_in);
                values.into_iter().map(|value| value as f32).collect()
            }
            Element(draw) => {
                let (fan_in, fan_out) = (fan_in as f64, fan_out as f64);
                let elements = 0..u32::try_from(len).unwrap_or(u32::MAX);
                let draw =
                    |element| draw(self.values(), &Sampler { fan_in, fan_out, key, element });
                elements.map(|element| draw(element) as f32).collect()
            }
        }
    }
}
