//! The host's own shader writes dL/dy: the Cauchy loss, which is hardly moved by outliers, beside a curve that a tenth of
//! the points lie far away from. Forward, backward and update are wgrad's.
//!
//! `cargo run --release --example bring_your_own_loss`

#[path = "../host/mod.rs"]
mod host;

use clap::Parser;
use host::{Host, Options, Result};
use indicatif::ProgressIterator;
use wgrad::embed::Region;
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};

/// Trains by a gradient of the host's
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

const ROWS: usize = 256;

/// L = mean log(1 + ((y - t) / c)^2) with c = 0.1.
const LOSS: &str = "
@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> wanted: array<f32>;
@group(0) @binding(2) var<storage, read_write> gradient: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    let r = (y[i] - wanted[i]) / 0.1;
    gradient[i] = 2.0 * r / (0.1 * (1.0 + r * r)) / 256.0;
}";

/// The points and the curve, which is drawn from the live outputs.
const PAINT: &str = "
@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> wanted: array<f32>;

@fragment
fn colour(corner: Corner) -> @location(0) vec4<f32> {
    let height = corner.place.y * 5.0 - 2.5;
    let at = min(u32(corner.place.x * 256.0), 254u);
    let here = mix(y[at], y[at + 1u], fract(corner.place.x * 256.0));
    if abs(height - here) < 0.02 {
        return vec4(0.85, 0.25, 0.2, 1.0);
    }
    let point = vec2(fract(corner.place.x * 256.0) - 0.5, (height - wanted[at]) * 51.2);
    if length(point) < 1.2 {
        return vec4(0.3, 0.4, 0.6, 1.0);
    }
    // The axes x = 0 and y = 0, and lines every half and every 1.
    let x = corner.place.x * 2.0 - 1.0;
    let texel = vec2(fwidth(x), fwidth(height));
    let nearest = vec2(round(2.0 * x) / 2.0, round(height));
    let on = abs(vec2(x, height) - nearest) < 0.75 * texel;
    let axis = (on.x && nearest.x == 0.0) || (on.y && nearest.y == 0.0);
    return vec4(vec3(select(select(1.0, 0.9, any(on)), 0.6, axis)), 1.0);
}";

fn main() -> Result {
    let options = Cli::parse().options;
    let mut host = Host::new(&options)?;
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let model = Sequential::new(1)
        .dense(48)
        .activation(Activation::tanh())
        .dense(48)
        .activation(Activation::tanh())
        .dense(1);
    // The loss given here has no part in it.
    let trainer = Trainer::new(model, Loss::mse(), Optimizer::adam().learning_rate(5e-3))
        .seed(options.seed)
        .on(&gpu.into())?;
    let mut step = trainer.into_gradient_step(ROWS)?;

    let x: Vec<f32> = (0..ROWS).map(|row| row as f32 / 128.0 - 1.0).collect();
    let key = Key::new(options.seed, Stream::Data(1));
    let curve = |x: f32| (3.0 * x).sin() + 0.5 * x;
    let wanted: Vec<f32> = (0u32..)
        .zip(&x)
        .map(|(row, &x)| {
            let outlier = if key.uniform(1, row) < 0.1 { 2.0 } else { 0.0 };
            curve(x) + 0.03 * key.normal(0, row) as f32 + outlier
        })
        .collect();
    let wanted = Region::whole(host.buffer(&wanted));
    let mut encoder = host.encoder();
    step.upload_inputs(&mut encoder, &x)?;
    host.submit(encoder)?;

    let loss = host.pass(LOSS, &[step.outputs()?, &wanted, step.gradients()?]);
    let painter = host.painter(PAINT, &[step.outputs()?, &wanted]);
    for frame in (0..options.frames).progress_count(options.frames) {
        let mut encoder = host.encoder();
        for _ in 0..options.steps {
            step.encode_forward(&mut encoder)?;
            loss.encode(&mut encoder, ROWS as u32 / 64);
            step.encode_backward(&mut encoder)?;
            step.encode_update(&mut encoder)?;
        }
        host.paint(&mut encoder, &painter);
        host.submit(encoder)?;
        if frame % 4 == 3 || frame + 1 == options.frames {
            host.keep()?;
        }
    }
    let mut trainer = step.into_trainer();
    let inputs = wgrad::ndarray::Array2::from_shape_vec((ROWS, 1), x.clone())?;
    let outputs = trainer.predict(inputs.view())?;
    let errors = outputs.iter().zip(&x).map(|(y, &x)| f64::from((y - curve(x)).powi(2)));
    let error = (errors.sum::<f64>() / ROWS as f64).sqrt();
    host.finish("bring_your_own_loss", &options, &[("rms_from_the_curve", error)])
}
