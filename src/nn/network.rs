//! A checked stack of layers: its parameters, their first values, its forward and backward ops.

use super::{Dense, Layer};
use crate::error::{Error, Result};
use crate::program::{Form, ParamInfo, Program, Slot};
use crate::random::{Key, Stream};
use crate::shape::Shape;
use crate::spec::{Activation, Initializer};

/// A checked stack of layers.
#[derive(Clone, Debug)]
pub struct Network {
    inputs: usize,
    outputs: usize,
    layers: Vec<Layer>,
    params: Vec<ParamInfo>,
    draws: Vec<Draw>,
    /// For each layer, the index of its first parameter.
    first_param: Vec<usize>,
}

/// How a parameter gets its first values.
#[derive(Clone, Debug)]
enum Draw {
    Random { initializer: Initializer, fan_in: usize, fan_out: usize },
    Values(Vec<f32>),
}

/// What forward leaves for backward: each layer's input and output.
#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    layers: Vec<(Slot, Slot)>,
}

impl Network {
    pub(super) fn new(inputs: usize, layers: Vec<Layer>) -> Result<Self> {
        if layers.is_empty() {
            return Err(Error::empty("Sequential", "a network needs at least one layer"));
        }
        if inputs == 0 {
            return Err(Error::shape(
                "Sequential",
                "a network needs at least one input feature, not 0",
            ));
        }
        let mut network = Self {
            inputs,
            outputs: inputs,
            layers: layers.clone(),
            params: Vec::new(),
            draws: Vec::new(),
            first_param: Vec::new(),
        };
        for (index, layer) in layers.iter().enumerate() {
            network.first_param.push(network.params.len());
            let name = || format!("layer {index}, {}", layer.name());
            match layer {
                Layer::Dense(dense) => {
                    network.dense(index, dense, layers.get(index + 1), &name())?
                }
                Layer::Activation(f) => network.activation(index, f, &name())?,
            }
        }
        if network.params.is_empty() {
            return Err(Error::empty(
                "Sequential",
                "a network needs at least one layer with parameters",
            ));
        }
        Ok(network)
    }

    fn dense(
        &mut self,
        index: usize,
        dense: &Dense,
        next: Option<&Layer>,
        name: &str,
    ) -> Result<()> {
        let (fan_in, fan_out) = (self.outputs, dense.outputs);
        if fan_out == 0 {
            return Err(Error::shape(
                name,
                format!("0 outputs from {fan_in} inputs; it needs at least one"),
            ));
        }
        let numbers = [("l1", dense.l1), ("l2", dense.l2), ("learning_rates", dense.rates)];
        for (penalty, value) in
            numbers.iter().flat_map(|(name, pair)| pair.map(|value| (*name, value)))
        {
            if !(value.is_finite() && value >= 0.0) {
                let (op, valid) =
                    (name.to_string(), "it must be a finite number, 0 or greater".to_string());
                return Err(Error::Parameter { op, name: penalty.to_string(), value, valid });
            }
        }
        let weights = dense.weights.unwrap_or_else(|| default_initializer(next));
        let shape = |extents: &[usize]| Shape::new(extents).map_err(|error| named(error, name));
        let tensors = [
            Some(("weight", shape(&[fan_out, fan_in])?, weights)),
            match dense.biases {
                Some(initializer) => Some(("bias", shape(&[fan_out])?, initializer)),
                None => None,
            },
        ];
        let settings =
            dense.l1.into_iter().zip(dense.l2).zip(dense.rates.into_iter().zip(dense.decays));
        for ((part, shape, initializer), ((l1, l2), (multiplier, decays))) in
            tensors.into_iter().zip(settings).filter_map(|(t, s)| Some((t?, s)))
        {
            initializer.validate().map_err(|error| named(error, name))?;
            if initializer.needs_matrix() && part == "bias" {
                let message = format!("{} draws a matrix, biases are a vector", initializer.name());
                return Err(Error::unsupported(name, message));
            }
            let name = format!("{index}.{part}");
            self.params.push(ParamInfo { name, shape, l1, l2, multiplier, decays });
            self.draws.push(Draw::Random { initializer, fan_in, fan_out });
        }
        self.outputs = fan_out;
        Ok(())
    }

    fn activation(&mut self, index: usize, f: &Activation, name: &str) -> Result<()> {
        f.validate().map_err(|error| named(error, name))?;
        if f.dim().is_some_and(|dim| dim != -1 && dim != 1) {
            let message = "a layer works on each row by itself; leave dim at -1";
            return Err(Error::unsupported(name, message));
        }
        let cols = self.outputs;
        if let Some(values) = f.first_weights(cols) {
            let per_channel = if values.len() % cols == 0 && cols > 1 { cols } else { 1 };
            let shape = match values.len() / per_channel {
                1 => Shape::new(&[per_channel]),
                numbers => Shape::new(&[numbers, per_channel]),
            };
            let shape = shape.map_err(|error| self::named(error, name))?;
            let name = format!("{index}.weight");
            let (l1, l2) = (0.0, 0.0);
            self.params.push(ParamInfo { name, shape, l1, l2, multiplier: 1.0, decays: true });
            self.draws.push(Draw::Values(values.into_iter().map(|value| value as f32).collect()));
        }
        self.outputs = f.output_len(cols).map_err(|error| self::named(error, name))?;
        Ok(())
    }

    /// The same network with another activation in the place of one that, like it, has no learned numbers. Parameters
    /// keep their names, shapes and places.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if layer `index` is no such activation; otherwise as
    /// [`Sequential::build`](super::Sequential::build).
    pub fn with_activation(&self, index: usize, f: Activation) -> Result<Self> {
        let mut layers = self.layers.clone();
        match layers.get_mut(index) {
            Some(Layer::Activation(old)) if !old.is_learned() && !f.is_learned() => *old = f,
            _ => {
                let message = format!("layer {index} is no activation that {f} could replace");
                return Err(Error::unsupported("with_activation", message));
            }
        }
        let network = Self::new(self.inputs, layers)?;
        if network.params != self.params {
            let message = format!("with {f} in layer {index} the parameters have other shapes");
            return Err(Error::unsupported("with_activation", message));
        }
        Ok(network)
    }

    /// How many features a row has.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// How many numbers the network gives per row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The parameters, named as PyTorch names those of `torch.nn.Sequential`.
    pub fn params(&self) -> &[ParamInfo] {
        &self.params
    }

    /// The layers.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The parameters' first values: the same bits for the same seed, whatever the device.
    pub fn initial(&self, seed: u64) -> Vec<Vec<f32>> {
        let parameters = self.params.iter().zip(&self.draws).zip(0u32..);
        let draw = |((param, draw), index): ((&ParamInfo, &Draw), u32)| match draw {
            Draw::Random { initializer, fan_in, fan_out } => {
                initializer.draw(seed, index, *fan_in, *fan_out, param.shape.len())
            }
            Draw::Values(values) => values.clone(),
        };
        parameters.map(draw).collect()
    }

    /// Adds the forward pass; with a seed, as in training.
    pub(super) fn forward(
        &self,
        program: &mut Program,
        x: Slot,
        training: Option<u64>,
    ) -> Result<(Slot, Trace)> {
        let mut trace = Trace::default();
        let mut current = x;
        for (index, (layer, &param)) in self.layers.iter().zip(&self.first_param).enumerate() {
            let name = format!("{index}.y");
            let out = match (layer, training) {
                (Layer::Dense(dense), _) => {
                    let weight = program.param(param)?;
                    let out = program.matmul(&name, current, weight, Form::NT)?;
                    if dense.biases.is_some() {
                        let bias = program.param(param + 1)?;
                        program.add_row(bias, out)?;
                    }
                    out
                }
                (Layer::Activation(f), _) if f.is_learned() => {
                    let weight = program.param(param)?;
                    program.learned(&name, *f, current, weight)?
                }
                (Layer::Activation(f), Some(seed)) if f.is_random() => {
                    program.activation_in_training(&name, *f, key(seed, index), current)?
                }
                (Layer::Activation(f), _) if f.evaluated() == Activation::identity() => current,
                (Layer::Activation(f), _) => program.activation(&name, *f, current)?,
            };
            trace.layers.push((current, out));
            current = out;
        }
        Ok((current, trace))
    }

    /// Adds the backward pass from dL/dy: fills every gradient, and stops where nothing below has parameters, or if it is
    /// to go `through`, gives dL/dx.
    pub(super) fn backward(
        &self,
        program: &mut Program,
        trace: &Trace,
        grad: Slot,
        seed: u64,
        through: bool,
    ) -> Result<Option<Slot>> {
        let mut grad = grad;
        let layers = self.layers.iter().zip(&self.first_param).zip(&trace.layers).enumerate();
        for (index, ((layer, &param), &(x, y))) in layers.rev() {
            let name = format!("{index}.dx");
            let last = param == 0 && !through;
            match layer {
                Layer::Dense(dense) => {
                    let d_weight = program.grad(param)?;
                    program.matmul_into(grad, x, Form::TN, d_weight)?;
                    if dense.biases.is_some() {
                        let d_bias = program.grad(param + 1)?;
                        program.sum_rows_into(grad, d_bias)?;
                    }
                    if !last {
                        let weight = program.param(param)?;
                        grad = program.matmul(&name, grad, weight, Form::NN)?;
                    }
                }
                Layer::Activation(f) if f.is_learned() => {
                    let (weight, d_weight) = (program.param(param)?, program.grad(param)?);
                    grad = program.learned_backward(&name, *f, (x, weight), grad, d_weight)?;
                }
                Layer::Activation(_) if last => {}
                Layer::Activation(f) => {
                    let key = key(seed, index);
                    grad = program.activation_in_training_backward(&name, *f, key, (x, y), grad)?;
                }
            }
            if last {
                return Ok(None);
            }
        }
        Ok(through.then_some(grad))
    }
}

/// What a layer's random numbers are drawn from.
fn key(seed: u64, layer: usize) -> Key {
    Key::new(seed, Stream::Dropout(layer as u32))
}

fn default_initializer(next: Option<&Layer>) -> Initializer {
    let is_relu = |f: &Activation| f.name().ends_with("relu");
    match next {
        Some(Layer::Activation(f)) if is_relu(f) => Initializer::kaiming_uniform(),
        _ => Initializer::xavier_uniform(),
    }
}

/// The same error with the layer in front of the op.
fn named(error: Error, layer: &str) -> Error {
    match error {
        Error::Parameter { op, name, value, valid } => {
            Error::Parameter { op: format!("{layer}: {op}"), name, value, valid }
        }
        Error::Limit { what, needed, limit, unit } => {
            Error::Limit { what: format!("{layer}: {what}"), needed, limit, unit }
        }
        Error::Shape { op, message } => Error::Shape { op: format!("{layer}: {op}"), message },
        other => other,
    }
}
