//! Fits a picture with a network of coordinates inside the host's frames: the texels become targets and the outputs texels on
//! the device. The network is made of sines (SIREN, Sitzmann et al. 2020, <https://arxiv.org/abs/2006.09661>), or with
//! `--features N` sees the coordinates by random Fourier features (Tancik et al. 2020, <https://arxiv.org/abs/2006.10739>).
//!
//! `cargo run --release --example neural_image`

#[path = "../host/mod.rs"]
mod host;

use std::path::PathBuf;

use clap::Parser;
use host::{Host, Options, Result};
use indicatif::ProgressIterator;
use wgrad::Shape;
use wgrad::embed::{Region, StepOptions, TextureCopy, View};
use wgrad::prelude::*;
use wgrad::wgpu;

/// Fits a picture with a coordinate network
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// The picture; one of rings and stripes unless given
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// How many random frequencies the network sees the coordinates by; 0 for a network of sines
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=512))]
    features: u32,
    /// The standard deviation of the frequencies, in periods over the picture
    #[arg(long, default_value_t = 2.0, value_name = "S")]
    deviation: f64,
}

/// Width and height of the picture that is learnt.
const SIDE: u32 = 64;

/// The factor inside the sines.
const OMEGA: f64 = 30.0;

/// Left what is learnt, right what it is learnt from.
const PAINT: &str = "
@group(0) @binding(0) var<storage, read> learnt: array<f32>;
@group(0) @binding(1) var<storage, read> wanted: array<f32>;

@fragment
fn colour(corner: Corner) -> @location(0) vec4<f32> {
    let place = vec2(fract(2.0 * corner.place.x), 1.0 - corner.place.y);
    let texel = min(vec2<u32>(place * 64.0), vec2(63u));
    let at = 3u * (texel.y * 64u + texel.x);
    let left = vec3(learnt[at], learnt[at + 1u], learnt[at + 2u]);
    let right = vec3(wanted[at], wanted[at + 1u], wanted[at + 2u]);
    return vec4(select(right, left, corner.place.x < 0.5), 1.0);
}";

fn texels(path: Option<&PathBuf>) -> Result<Vec<u8>> {
    if let Some(path) = path {
        let picture = image::open(path)?.to_rgba8();
        let filter = image::imageops::FilterType::Triangle;
        return Ok(image::imageops::resize(&picture, SIDE, SIDE, filter).into_raw());
    }
    let texel = |at: u32| {
        let (x, y) = ((at % SIDE) as f32 / 32.0 - 1.0, (at / SIDE) as f32 / 32.0 - 1.0);
        let ring = (12.0 * x.hypot(y)).sin();
        let stripe = (9.0 * (x + 0.6 * y)).cos();
        [ring, stripe, ring * stripe, 1.0].map(|v| (127.5 + 127.5 * v) as u8)
    };
    Ok((0..SIDE * SIDE).flat_map(texel).collect())
}

/// Where each texel lies, from -1 to 1.
fn places() -> Vec<[f32; 2]> {
    let place = |index: u32| (index as f32 + 0.5) / (SIDE / 2) as f32 - 1.0;
    (0..SIDE * SIDE).map(|at| [place(at % SIDE), place(at / SIDE)]).collect()
}

/// Cosine and sine of `count` random frequencies at each place. Half of the picture is the unit, hence pi in the place of
/// 2 pi.
fn fourier(places: &[[f32; 2]], count: usize, deviation: f64, seed: u64) -> Result<Vec<f32>> {
    let normal = Initializer::normal().with("std", deviation)?;
    let frequencies = normal.draw(seed, u32::MAX, 2, count, 2 * count);
    let features = |[x, y]: &[f32; 2]| {
        let angles =
            frequencies.chunks_exact(2).map(|f| std::f32::consts::PI * (f[0] * x + f[1] * y));
        angles.flat_map(|angle| [angle.cos(), angle.sin()]).collect::<Vec<_>>()
    };
    Ok(places.iter().flat_map(features).collect())
}

/// A sine layer with the first weights of its paper.
fn dense(outputs: usize, inputs: usize, first: bool) -> Result<Dense> {
    let bound = if first { 1.0 / inputs as f64 } else { (6.0 / inputs as f64).sqrt() / OMEGA };
    Ok(Dense::new(outputs)
        .weights(Initializer::uniform().with("low", -bound)?.with("high", bound)?))
}

/// The network, and what it takes of each texel.
fn network(cli: &Cli) -> Result<(Sequential, Vec<f32>)> {
    let (places, count) = (places(), cli.features as usize);
    if count == 0 {
        let sine = Activation::sine().with("omega", OMEGA)?;
        let model = Sequential::new(2)
            .layer(dense(64, 2, true)?)
            .activation(sine)
            .layer(dense(64, 64, false)?)
            .activation(sine)
            .layer(dense(3, 64, false)?);
        return Ok((model, places.concat()));
    }
    let relu = Activation::relu();
    let model = Sequential::new(2 * count).dense(64).activation(relu).dense(64).activation(relu);
    Ok((model.dense(3), fourier(&places, count, cli.deviation, cli.options.seed)?))
}

fn main() -> Result {
    let cli = Cli::parse();
    let options = &cli.options;
    let mut host = Host::new(options)?;
    let contents = texels(cli.picture.as_ref())?;
    let size = wgpu::Extent3d { width: SIDE, height: SIDE, depth_or_array_layers: 1 };
    let texture = host.device.create_texture(&wgpu::TextureDescriptor {
        label: Some("picture"),
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some(4 * SIDE),
        rows_per_image: None,
    };
    host.queue.write_texture(texture.as_image_copy(), &contents, layout, size);

    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let (model, inputs) = network(&cli)?;
    let trainer = Trainer::new(model, Loss::mse(), Optimizer::adam().learning_rate(2e-3))
        .seed(options.seed)
        .on(&gpu.clone().into())?;
    // The targets lie in a buffer of the host's, which the texture is unpacked into.
    let count = (SIDE * SIDE) as usize;
    let wanted = host.buffer(&vec![0.0f32; 3 * count]);
    let of_shape = |extents: &[usize]| View::new(&wanted, 0, Shape::new(extents)?);
    let unpack = TextureCopy::new(&gpu, &texture, &of_shape(&[SIDE as usize, SIDE as usize, 3])?)?;
    let mut step = trainer.into_step(StepOptions::rows(count).targets(of_shape(&[count, 3])?))?;
    let mut encoder = host.encoder();
    step.upload_inputs(&mut encoder, &inputs)?;
    host.submit(encoder)?;

    let painter = host.painter(PAINT, &[step.outputs()?, &Region::whole(wanted.clone())]);
    let (mut first, mut last) = (None, f64::NAN);
    for frame in (0..options.frames).progress_count(options.frames) {
        let mut encoder = host.encoder();
        // The picture could be another in every frame.
        unpack.to_tensor(&mut encoder)?;
        step.encode(&mut encoder, options.steps)?;
        host.paint(&mut encoder, &painter);
        host.submit(encoder)?;
        for figures in step.metrics().try_all()? {
            first.get_or_insert(figures.loss);
            last = figures.loss;
        }
        if frame % 4 == 3 || frame + 1 == options.frames {
            host.keep()?;
        }
    }
    let decibels = -10.0 * last.log10();
    let figures = [("first_loss", first.unwrap_or(f64::NAN)), ("loss", last), ("psnr", decibels)];
    host.finish("neural_image", options, &figures)
}
