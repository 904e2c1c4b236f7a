//! The kernels of the registry, and errors that the browser tells of late.

use serde_json::json;
use wgrad::__internal::{kernel, texture_kernels};
use wgrad::embed::Gpu;
use wgrad::prelude::*;
use wgrad::{Error, wgpu};

use super::Found;

/// Hands every kernel of the registry to the browser, whose messages the page collects.
pub(super) fn registry(gpu: &Gpu) -> Found {
    let device = gpu.device();
    let module = |source: String| {
        let source = wgpu::ShaderSource::Wgsl(source.into());
        drop(device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source }));
    };
    let all = kernel::registry::all();
    let (fitting, others): (Vec<_>, Vec<_>) =
        all.iter().partition(|kernel| device.features().contains(kernel.features()));
    fitting.iter().for_each(|kernel| module(kernel.source()));
    let textures = texture_kernels();
    let functions = shader_functions()?;
    let count = fitting.len() + textures.len() + functions.len();
    textures.into_iter().chain(functions).for_each(module);
    Ok(json!({ "kernels": count, "of other devices": others.len() }))
}

/// Networks as functions: every activation of single numbers, rows, blocks and wide layers, from a buffer and as literals.
fn shader_functions() -> wgrad::Result<Vec<String>> {
    let is_plain = |f: &Activation| f.dim().is_none() && !f.is_random() && !f.is_parametric();
    let all: Vec<Activation> = Activation::all().filter(is_plain).collect();
    let each = |model: Sequential, f: &Activation| model.dense(4).activation(*f);
    let mut models: Vec<Sequential> =
        all.chunks(8).map(|few| few.iter().fold(Sequential::new(2), each)).collect();
    models.push(Sequential::new(150).dense(70).gated(12, Activation::glu()).layer_norm().dense(3));
    let block = |branch: Sequential| branch.dense(9).activation(Activation::prelu());
    models.push(Sequential::new(9).residual(block).batch_norm().activation(Activation::softmax()));
    let mut texts = Vec::new();
    for network in models.iter().map(Sequential::build) {
        let network = network?;
        texts.push(network.wgsl("net").source()?);
        if network.params().iter().map(|param| param.shape.len()).sum::<usize>() < 5000 {
            texts.push(network.wgsl("net").literals(&network.initial(0)).source()?);
        }
    }
    Ok(texts)
}

/// A formula that is no WGSL is the error of the call that waits, and the device stays usable.
pub(super) async fn late_errors() -> Found {
    let gpu = Gpu::request().await?;
    let invalid = "fn forward(x: f32) -> f32 { return nonsense(x); }";
    let derivative = "fn derivative(x: f32) -> f32 { return 1.0; }";
    let f = Activation::custom("invalid", invalid, derivative, |x| x, |_| 1.0)?;
    let data = data::spiral(8, 2, 0)?;
    let mut found = Vec::new();
    for f in [f, f, Activation::relu()] {
        let model = Sequential::new(2).dense(4).activation(f).dense(2);
        let trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::sgd());
        let mut trainer = trainer.on(&gpu.clone().into())?;
        found.push(trainer.fit_async(&data, Fit::epochs(1)).await.err());
    }
    match &found[..] {
        [Some(Error::Shader { .. }), Some(Error::Shader { .. }), None] => Ok(json!({})),
        found => Err(format!("{found:?}").into()),
    }
}
