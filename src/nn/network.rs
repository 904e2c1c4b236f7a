//! A checked stack of layers: its parameters and their first values.

use super::Layer;
use super::build::{Builder, Draw, Part, Stage};
use crate::error::{Error, Result};
use crate::program::ParamInfo;

/// A checked stack of layers.
#[derive(Clone, Debug)]
pub struct Network {
    inputs: usize,
    outputs: usize,
    layers: Vec<Layer>,
    params: Vec<ParamInfo>,
    draws: Vec<Draw>,
    pub(super) stages: Vec<Stage>,
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
        let mut builder = Builder::default();
        let (stages, outputs) = builder.stages(&layers, inputs, "")?;
        let Builder { params, draws, .. } = builder;
        if params.is_empty() {
            return Err(Error::empty(
                "Sequential",
                "a network needs at least one layer with parameters",
            ));
        }
        Ok(Self { inputs, outputs, layers, params, draws, stages })
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

    /// How many rows the table has that the features are indices of, if the first layer is an embedding.
    pub fn index_count(&self) -> Option<usize> {
        match self.stages.first()?.part {
            Part::Embedding { count, .. } => Some(count),
            _ => None,
        }
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
}
