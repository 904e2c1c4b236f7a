//! A network trained inside the frames of an application that draws it: the decision field of three spiral arms, straight
//! from the live output buffer, and the weights of the first layer, straight from the live parameters.
//!
//! `cargo run --release --example embed`

#[path = "../host/mod.rs"]
mod host;

use clap::Parser;
use host::{Host, Options, Result, field};
use indicatif::ProgressIterator;
use wgrad::data::Targets;
use wgrad::embed::StepOptions;
use wgrad::prelude::*;

/// Trains and draws in the same frames
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn main() -> Result {
    let options = Cli::parse().options;
    let mut host = Host::new(&options)?;
    let data = data::spiral(100, 3, options.seed)?;
    let Targets::Classes { labels, .. } = data.targets() else { return Err("no classes".into()) };
    let inputs: Vec<f32> = data.inputs().iter().copied().collect();
    let (points, classes) = (host.buffer(&inputs), host.buffer(labels));

    // The guest: on the host's device, with the host's limits.
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let model = Sequential::new(2).dense(64).activation(Activation::relu()).dense(3);
    let trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam().learning_rate(0.05))
        .seed(options.seed)
        .on(&gpu.into())?;
    let mut step = trainer.into_step(StepOptions::rows(data.len()).fused())?;
    let mut seen = step.inference(field::COUNT)?;

    let mut encoder = host.encoder();
    seen.upload_inputs(&mut encoder, &field::cells())?;
    step.inputs().copy_from(&mut encoder, &points, points.size())?;
    step.targets()?.copy_from(&mut encoder, &classes, classes.size())?;
    host.submit(encoder)?;

    let (points, classes) =
        (wgrad::embed::Region::whole(points), wgrad::embed::Region::whole(classes));
    let painter = host.field([seen.outputs(), &step.parameter(0)?], [&points, &classes]);
    let mut loss = f64::NAN;
    for frame in (0..options.frames).progress_count(options.frames) {
        let mut encoder = host.encoder();
        step.encode(&mut encoder, options.steps)?;
        seen.encode(&mut encoder)?;
        host.paint(&mut encoder, &painter);
        host.submit(encoder)?;
        if let Some(figures) = step.metrics().try_latest()? {
            loss = figures.loss;
        }
        if frame % 4 == 3 || frame + 1 == options.frames {
            host.keep()?;
        }
    }
    let result = step.into_trainer().evaluate(&data)?;
    let figures = [("loss", result.loss()), ("accuracy", result.accuracy()), ("seen_loss", loss)];
    host.finish("embed", &options, &figures)
}
