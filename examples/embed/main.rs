//! A network trained inside the frames of an application that draws it: the decision field of three spiral arms, straight
//! from the live output buffer, and the weights of the first layer, straight from the live parameters.
//!
//! `cargo run --release --example embed`

#[path = "../host/mod.rs"]
mod host;

use clap::Parser;
use host::{Host, Options, Result};
use wgrad::data::Targets;
use wgrad::prelude::*;

/// Trains and draws in the same frames
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

/// How many cells the field has along each axis, and how far it reaches.
const CELLS: usize = 128;
const REACH: f32 = 1.15;

/// The field from the scores of each cell; below it a bar with a column per hidden unit, from the first layer's weights.
const PAINT: &str = "
@group(0) @binding(0) var<storage, read> scores: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> points: array<f32>;
@group(0) @binding(3) var<storage, read> labels: array<u32>;

fn arm(label: u32) -> vec3<f32> {
    return array(vec3(0.91, 0.33, 0.24), vec3(0.2, 0.65, 0.42), vec3(0.25, 0.42, 0.85))[label];
}

@fragment
fn colour(corner: Corner) -> @location(0) vec4<f32> {
    if corner.place.y < 0.08 {
        let unit = min(u32(corner.place.x * 64.0), 63u);
        let value = clamp(0.5 + weight[2u * unit + u32(corner.place.y < 0.04)] / 4.0, 0.0, 1.0);
        return vec4(value, 0.5, 1.0 - value, 1.0);
    }
    let place = (corner.place - vec2(0.0, 0.08)) / vec2(1.0, 0.92);
    let cell = min(vec2<u32>(place * 128.0), vec2(127u));
    let first = 3u * (cell.y * 128u + cell.x);
    let score = vec3(scores[first], scores[first + 1u], scores[first + 2u]);
    let share = exp(score - max(score.x, max(score.y, score.z)));
    let mixed = (share.x * arm(0u) + share.y * arm(1u) + share.z * arm(2u)) / (share.x + share.y + share.z);
    var result = mix(vec3(1.0), mixed, 0.55);
    let here = (2.0 * place - 1.0) * 1.15;
    for (var i = 0u; i < arrayLength(&labels); i++) {
        if distance(here, vec2(points[2u * i], points[2u * i + 1u])) < 0.014 {
            result = arm(labels[i]);
        }
    }
    return vec4(result, 1.0);
}";

fn main() -> Result {
    let options = Cli::parse().options;
    let mut host = Host::new(&options.device)?;
    let data = data::spiral(100, 3, options.seed);
    let Targets::Classes { labels, .. } = data.targets() else { return Err("no classes".into()) };
    let inputs: Vec<f32> = data.inputs().iter().copied().collect();
    let (points, classes) = (host.buffer(&inputs), host.buffer(labels));

    // The guest: on the host's device, with the host's limits.
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let model = Sequential::new(2).dense(64).activation(Activation::relu()).dense(3);
    let trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam().learning_rate(0.05))
        .seed(options.seed)
        .on(&gpu.into())?;
    let mut step = trainer.into_step(data.len())?;
    let mut field = step.inference(CELLS * CELLS)?;

    let cell = |index: usize| (index as f32 + 0.5) * 2.0 * REACH / CELLS as f32 - REACH;
    let cells: Vec<f32> =
        (0..CELLS * CELLS).flat_map(|at| [cell(at % CELLS), cell(at / CELLS)]).collect();
    let mut encoder = host.encoder();
    field.upload_inputs(&mut encoder, &cells)?;
    step.inputs().copy_from(&mut encoder, &points, points.size())?;
    step.targets()?.copy_from(&mut encoder, &classes, classes.size())?;
    host.submit(encoder)?;

    let (points, classes) = (wgrad::gpu::Region::whole(points), wgrad::gpu::Region::whole(classes));
    let painter = host.painter(PAINT, &[field.outputs(), &step.parameter(0)?, &points, &classes]);
    let mut loss = f64::NAN;
    for frame in 0..options.frames {
        let mut encoder = host.encoder();
        step.encode(&mut encoder, options.steps)?;
        field.encode(&mut encoder)?;
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
