//! A network as a function in a host's own shader.

use crate::engine::gpu::function::{RowFunction, WeightSource};
use crate::error::{Error, Result};
use crate::nn::{Network, ProgramIo};

/// A network as a WGSL function, from [`Network::wgsl`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ShaderFunction<'a> {
    network: &'a Network,
    name: String,
    group: u32,
    binding: u32,
    literals: Option<&'a [Vec<f32>]>,
}

impl Network {
    /// The network as a function in a shader of the caller's: `fn NAME(input: array<f32, N>) -> array<f32, M>` of one row,
    /// as [`Trainer::predict`](crate::Trainer::predict) computes it, and with up to four inputs and outputs also `NAME_vec`,
    /// of `f32` or a vector to such. It reads the parameters where they are, so that it follows the training from step to
    /// step. Everything else in the text has a name that begins with `NAME_`.
    ///
    /// The text has dense layers, residual blocks, every activation of single numbers, those with learned parameters, gated
    /// ones, maxout and those of softmax's kind, layer, RMS and batch normalization.
    ///
    /// ```
    /// use wgrad::prelude::*;
    ///
    /// let network = Sequential::new(2).dense(16).activation(Activation::tanh()).dense(3).build()?;
    /// let text = network.wgsl("net").binding(1, 0).source()?;
    /// assert!(text.contains("@group(1) @binding(0) var<storage, read> net_weights: array<vec4<f32>>;"));
    /// assert!(text.contains("fn net_vec(x: vec2<f32>) -> vec3<f32>"));
    /// // In a fragment shader: let color = net_vec(uv);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn wgsl(&self, name: &str) -> ShaderFunction<'_> {
        let (network, name) = (self, name.to_string());
        ShaderFunction { network, name, group: 0, binding: 0, literals: None }
    }
}

impl<'a> ShaderFunction<'a> {
    /// Sets the place of the storage buffer of all parameters, laid out by [`Network::param_ranges`]; 0, 0 by default.
    pub fn binding(self, group: u32, binding: u32) -> Self {
        Self { group, binding, ..self }
    }

    /// Writes the parameters into the text, at most 5000 of them, so that it needs no buffer and no library: the values in
    /// the order of [`Network::params`].
    pub fn literals(self, params: &'a [Vec<f32>]) -> Self {
        Self { literals: Some(params), ..self }
    }

    /// The text.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a layer that has no such form, a name that is no identifier of lower-case letters, digits
    /// and underscores, and a parameter that is infinite or NaN; [`Error::Shape`] for parameters of other lengths;
    /// [`Error::Limit`] for too many literals.
    pub fn source(&self) -> Result<String> {
        let Self { network, name, group, binding, literals } = self;
        let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
        if !begins || !name.chars().all(is_inner) || name.contains("__") || name.ends_with('_') {
            let message = format!("'{name}' as a name; it takes one such as net or sky_color");
            return Err(Error::unsupported("wgsl", message));
        }
        if let Some(params) = literals {
            let have = params.iter().map(Vec::len);
            if !have.clone().eq(network.params().iter().map(|param| param.shape.len())) {
                let lens: Vec<usize> = have.collect();
                let message = format!("parameters of {lens:?} values, unlike those of the network");
                return Err(Error::shape("wgsl", message));
            }
        }
        let ProgramIo { program, x, y, .. } = network.inference(1)?;
        let weights = match literals {
            Some(params) => WeightSource::Literals(params),
            None => WeightSource::Binding { group: *group, binding: *binding },
        };
        RowFunction { program: &program, x, y, name, weights }.text()
    }
}
