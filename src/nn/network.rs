//! A checked stack of layers, its parameters and their initial values.

use std::ops::Range;

use ndarray::ArrayView2;

use super::build::{Builder, InitSource, Stage, StageKind};
use super::{Layer, Sequential};
use crate::error::{Error, Result};
use crate::ir::ParamInfo;
use crate::shape::padded;
use crate::spec::Activation;

/// A checked stack of layers.
#[derive(Clone, Debug)]
pub struct Network {
    inputs: usize,
    outputs: usize,
    layers: Vec<Layer>,
    params: Vec<ParamInfo>,
    sources: Vec<InitSource>,
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
        let Builder { params, sources, .. } = builder;
        if params.is_empty() {
            return Err(Error::empty(
                "Sequential",
                "a network needs at least one layer with parameters",
            ));
        }
        Ok(Self { inputs, outputs, layers, params, sources, stages })
    }

    /// The same network with the activation of layer `index` replaced; neither may have learned parameters. Parameters
    /// keep their names, shapes and order.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if layer `index` is not such an activation; otherwise as
    /// [`Sequential::build`](super::Sequential::build).
    pub(crate) fn with_activation(&self, index: usize, f: Activation) -> Result<Self> {
        let mut layers = self.layers.clone();
        match layers.get_mut(index) {
            Some(Layer::Activation(old)) if !old.is_parametric() && !f.is_parametric() => *old = f,
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

    /// The number of input features per row.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The number of outputs per row.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The parameters, named as in PyTorch's `torch.nn.Sequential`.
    pub fn params(&self) -> &[ParamInfo] {
        &self.params
    }

    /// The byte range of each parameter on a GPU, relative to the start of the first: in the order of
    /// [`Network::params`], row-major `f32`, each at a multiple of 256 bytes. The padding between them is 0 and must
    /// stay 0, since norms and penalties sum over it.
    ///
    /// ```
    /// let network = wgrad::Sequential::new(2).dense(64).dense(3).build()?;
    /// assert_eq!(network.param_ranges(), [0..512, 512..768, 768..1536, 1536..1548]);
    /// assert_eq!(network.param_bytes(), 1792);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn param_ranges(&self) -> Vec<Range<u64>> {
        let place = |begin: &mut u64, param: &ParamInfo| {
            let (len, start) = (param.shape.len(), *begin);
            *begin += padded(len) as u64 * 4;
            Some(start..start + len as u64 * 4)
        };
        self.params.iter().scan(0, place).collect()
    }

    /// The size of all parameters on a GPU in bytes, padding included.
    pub fn param_bytes(&self) -> u64 {
        self.params.iter().map(|param| padded(param.shape.len()) as u64 * 4).sum()
    }

    /// The layers.
    #[doc(hidden)]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// The number of rows of the embedding table if the first layer is an embedding.
    pub(crate) fn index_count(&self) -> Option<usize> {
        match self.stages.first()?.kind {
            StageKind::Embedding { count, .. } => Some(count),
            _ => None,
        }
    }

    /// Fails if a feature that an embedding reads is not a valid index of its table.
    pub(crate) fn check_indices(&self, call: &str, inputs: ArrayView2<'_, f32>) -> Result<()> {
        let Some(count) = self.index_count() else { return Ok(()) };
        let is_index =
            |feature: &f32| feature.fract() == 0.0 && (0.0..count as f32).contains(feature);
        let wrong = inputs.indexed_iter().find(|(_, feature)| !is_index(feature));
        let Some(((row, col), feature)) = wrong else { return Ok(()) };
        let message = format!("feature {col} of row {row} is {feature}, no index below {count}");
        Err(Error::Target { op: call.to_string(), message })
    }

    /// The stack of layers that the network was built from.
    pub(crate) fn sequential(&self) -> Sequential {
        Sequential { inputs: self.inputs, layers: self.layers.clone() }
    }

    /// The initial values of the parameters: identical bits for the same seed on every device.
    #[doc(hidden)]
    pub fn initial(&self, seed: u64) -> Vec<Vec<f32>> {
        let parameters = self.params.iter().zip(&self.sources).zip(0u32..);
        let draw = |((param, draw), index): ((&ParamInfo, &InitSource), u32)| match draw {
            InitSource::Random { initializer, fan_in, fan_out } => {
                initializer.draw(seed, index, *fan_in, *fan_out, param.shape.len())
            }
            InitSource::Repeated { values, times } => {
                values.iter().flat_map(|value| std::iter::repeat_n(*value, *times)).collect()
            }
        };
        parameters.map(draw).collect()
    }
}
