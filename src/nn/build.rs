//! Checks layers in order and determines the output columns and the parameters of each.

use super::{Custom, Dense, Embedding, Layer, Norm};
use crate::error::{Error, Result};
use crate::ir::ParamInfo;
use crate::shape::Shape;
use crate::spec::{Activation, Initializer, Normalization, Range};

#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// The layer's position in PyTorch's notation: `0` or, inside a block, `0.1`.
    pub place: String,
    /// The layer's number in the whole network, counted in order; a block comes before the layers inside it.
    pub number: usize,
    /// The index of the layer's first parameter.
    pub first_param: usize,
    pub kind: StageKind,
}

/// The operation of a layer; parameter indices are those of the network.
#[derive(Clone, Debug)]
pub(super) enum StageKind {
    Dense {
        bias: bool,
    },
    Activation(Activation),
    Norm {
        f: Normalization,
        weight: Option<usize>,
        bias: Option<usize>,
        running: Option<[usize; 2]>,
    },
    Embedding {
        count: usize,
        dim: usize,
    },
    Residual(Vec<Stage>),
    Custom(Custom),
}

/// The source of a parameter's initial values.
#[derive(Clone, Debug)]
pub(super) enum InitSource {
    Random {
        initializer: Initializer,
        fan_in: usize,
        fan_out: usize,
    },
    /// Each value, repeated `times` times.
    Repeated {
        values: Vec<f32>,
        times: usize,
    },
}

/// The parameters and the layer count accumulated over the layers so far.
#[derive(Debug, Default)]
pub(super) struct Builder {
    pub params: Vec<ParamInfo>,
    pub sources: Vec<InitSource>,
    number: usize,
}

impl Builder {
    /// Checks layers over rows of `inputs` elements; returns the stages and the row length after the last one.
    pub(crate) fn stages(
        &mut self,
        layers: &[Layer],
        inputs: usize,
        inside: &str,
    ) -> Result<(Vec<Stage>, usize)> {
        let (mut stages, mut cols) = (Vec::with_capacity(layers.len()), inputs);
        for (index, layer) in layers.iter().enumerate() {
            let place = format!("{inside}{index}");
            let name = format!("layer {place}, {}", layer.name());
            let (number, first_param) = (self.number, self.params.len());
            self.number += 1;
            let following = layers.get(index + 1..).unwrap_or_default();
            let (kind, outputs) = self
                .kind(layer, following, cols, (&place, number))
                .map_err(|error| named(error, &name))?;
            stages.push(Stage { place, number, first_param, kind });
            cols = outputs;
        }
        Ok((stages, cols))
    }

    fn kind(
        &mut self,
        layer: &Layer,
        following: &[Layer],
        cols: usize,
        (place, number): (&str, usize),
    ) -> Result<(StageKind, usize)> {
        match layer {
            Layer::Dense(dense) => self.dense(dense, following, cols, place),
            Layer::Activation(f) => self.activation(f, cols, place),
            Layer::Norm(norm) => self.norm(norm, cols, place),
            Layer::Embedding(embedding) if number == 0 => self.embedding(embedding, cols, place),
            Layer::Embedding(_) => {
                Err(Error::unsupported("embedding", "it takes indices; make it the first layer"))
            }
            Layer::AdaptiveLogSoftmax(layer) => self.custom(&layer.over(cols)?, cols, place),
            Layer::Custom(layer) => self.custom(layer, cols, place),
            Layer::Residual(residual) => {
                let layers = residual.layers()?;
                let (stages, outputs) = self.stages(layers, cols, &format!("{place}."))?;
                if outputs != cols {
                    let message = format!(
                        "the branch has {outputs} outputs for {cols} inputs; the sum needs as many"
                    );
                    return Err(Error::shape("residual", message));
                }
                Ok((StageKind::Residual(stages), cols))
            }
        }
    }

    fn param(&mut self, info: ParamInfo, source: InitSource) -> usize {
        self.params.push(info);
        self.sources.push(source);
        self.params.len() - 1
    }

    fn dense(
        &mut self,
        dense: &Dense,
        following: &[Layer],
        fan_in: usize,
        place: &str,
    ) -> Result<(StageKind, usize)> {
        let fan_out = dense.outputs;
        if fan_out == 0 {
            let message = format!("0 outputs from {fan_in} inputs; it needs at least one");
            return Err(Error::shape("dense", message));
        }
        let numbers = [("l1", dense.l1), ("l2", dense.l2), ("learning_rates", dense.rates)];
        for (name, value) in
            numbers.iter().flat_map(|(name, pair)| pair.map(|value| (*name, value)))
        {
            Range::NOT_NEGATIVE.check("dense", name, value)?;
        }
        let weights = dense.weights.unwrap_or_else(|| self.default_initializer(following));
        let biases = dense.biases;
        if let Some(biases) = biases.filter(Initializer::needs_matrix) {
            let message = format!("{} draws a matrix, biases are a vector", biases.name());
            return Err(Error::unsupported("dense", message));
        }
        let tensors = [
            Some(("weight", vec![fan_out, fan_in], weights)),
            biases.map(|biases| ("bias", vec![fan_out], biases)),
        ];
        let settings =
            dense.l1.into_iter().zip(dense.l2).zip(dense.rates.into_iter().zip(dense.decays));
        for (tensor, ((l1, l2), (multiplier, decays))) in tensors.into_iter().zip(settings) {
            let Some((kind, extents, initializer)) = tensor else { continue };
            initializer.validate()?;
            let (name, shape) = (format!("{place}.{kind}"), Shape::new(&extents)?);
            let info = ParamInfo { l1, l2, multiplier, decays, ..plain(name, shape) };
            self.param(info, InitSource::Random { initializer, fan_in, fan_out });
        }
        Ok((StageKind::Dense { bias: biases.is_some() }, fan_out))
    }

    /// The initializer that suits the next activation, looking past layers that keep the scale.
    fn default_initializer(&self, following: &[Layer]) -> Initializer {
        let suiting = |layer: &Layer| match layer {
            Layer::Norm(_) => None,
            Layer::Activation(f) => f.initializer(),
            _ => Some(Initializer::xavier_uniform()),
        };
        let found = following.iter().find_map(suiting).unwrap_or_else(Initializer::xavier_uniform);
        // Only an initializer that treats the first layer differently has this parameter.
        let first = if self.params.is_empty() { 1.0 } else { 0.0 };
        found.set("first", first)
    }

    fn activation(
        &mut self,
        f: &Activation,
        cols: usize,
        place: &str,
    ) -> Result<(StageKind, usize)> {
        f.validate()?;
        if f.dim().is_some_and(|dim| dim != -1 && dim != 1) {
            let message = "a layer works on each row by itself; leave dim at -1";
            return Err(Error::unsupported(f.to_string(), message));
        }
        if let Some((values, channels)) = f.initial_values(cols) {
            let shape = match values.len() {
                1 => Shape::new(&[channels])?,
                numbers => Shape::new(&[numbers, channels])?,
            };
            let values = values.into_iter().map(|value| value as f32).collect();
            let draw = InitSource::Repeated { values, times: channels };
            self.param(plain(format!("{place}.weight"), shape), draw);
        }
        Ok((StageKind::Activation(*f), f.output_len(cols)?))
    }

    fn norm(&mut self, norm: &Norm, cols: usize, place: &str) -> Result<(StageKind, usize)> {
        norm.f.validate()?;
        let shape = Shape::new(&[cols])?;
        let mut add = |kind: &str, value: f32, parametric: bool| {
            let info = plain(format!("{place}.{kind}"), shape);
            let info = match parametric {
                true => ParamInfo { decays: norm.decays, ..info },
                false => ParamInfo { multiplier: 0.0, decays: false, has_gradient: false, ..info },
            };
            self.param(info, InitSource::Repeated { values: vec![value], times: cols })
        };
        let weight = norm.weight.then(|| add("weight", 1.0, true));
        let bias = norm.bias.then(|| add("bias", 0.0, true));
        let running = norm.f.is_across_rows().then(|| {
            [("running_mean", 0.0), ("running_var", 1.0)]
                .map(|(kind, value)| add(kind, value, false))
        });
        Ok((StageKind::Norm { f: norm.f, weight, bias, running }, cols))
    }

    fn custom(&mut self, layer: &Custom, cols: usize, place: &str) -> Result<(StageKind, usize)> {
        let mut infos = Vec::with_capacity(layer.count());
        for (name, shape, initializer) in layer.params()? {
            let (fan_out, fan_in) = match shape.to_vec()[..] {
                [outputs, inputs] => (outputs, inputs),
                ref extents => {
                    let last = extents.last().copied().unwrap_or(1);
                    (last, last)
                }
            };
            let info = plain(format!("{place}.{name}"), shape);
            self.param(info.clone(), InitSource::Random { initializer, fan_in, fan_out });
            infos.push(info);
        }
        layer.try_out(cols, infos)?;
        Ok((StageKind::Custom(layer.clone()), layer.outputs()))
    }

    fn embedding(
        &mut self,
        embedding: &Embedding,
        cols: usize,
        place: &str,
    ) -> Result<(StageKind, usize)> {
        let Embedding { count, dim, weights: initializer, decays } = embedding.clone();
        if count == 0 || dim == 0 {
            return Err(Error::shape("embedding", format!("[{count}, {dim}] holds no numbers")));
        }
        if count >= 1 << 24 {
            let what = "embedding".to_string();
            let (needed, limit) = (count as u64, (1 << 24) - 1);
            return Err(Error::Limit { what, needed, limit, unit: "rows" });
        }
        initializer.validate()?;
        let info = plain(format!("{place}.weight"), Shape::new(&[count, dim])?);
        let draw = InitSource::Random { initializer, fan_in: count, fan_out: dim };
        self.param(ParamInfo { decays, ..info }, draw);
        let outputs = Shape::new(&[cols, dim])?.len();
        Ok((StageKind::Embedding { count, dim }, outputs))
    }
}

/// A parameter with default settings.
fn plain(name: String, shape: Shape) -> ParamInfo {
    ParamInfo { name, shape, l1: 0.0, l2: 0.0, multiplier: 1.0, decays: true, has_gradient: true }
}

/// The same error, naming the layer instead of the op.
fn named(error: Error, layer: &str) -> Error {
    // An error from inside a block already names its layer.
    let with = |op: String| if op.starts_with("layer ") { op } else { layer.to_string() };
    match error {
        Error::Parameter { op, name, value, valid } => {
            Error::Parameter { op: with(op), name, value, valid }
        }
        Error::Limit { what, needed, limit, unit } => {
            Error::Limit { what: with(what), needed, limit, unit }
        }
        Error::Shape { op, shapes, message } => Error::Shape { op: with(op), shapes, message },
        Error::Unsupported { op, message } => Error::Unsupported { op: with(op), message },
        Error::Empty { op, message } => Error::Empty { op: with(op), message },
        other => other,
    }
}
