//! Fits a picture with a network of sines (SIREN, Sitzmann et al. 2020) inside the host's frames: the texels become targets
//! and the outputs texels on the device.
//!
//! `cargo run --release --example neural_image`

#[path = "../host/mod.rs"]
mod host;

use std::path::PathBuf;

use clap::Parser;
use host::{Host, Options, Result};
use wgrad::Shape;
use wgrad::gpu::{Region, TextureCopy, View};
use wgrad::prelude::*;
use wgrad::train::StepOptions;
use wgrad::wgpu;

/// Fits a picture with a coordinate network
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
    /// The picture; one of rings and stripes unless given
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
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

/// A layer with the first weights of the paper.
fn dense(outputs: usize, inputs: usize, first: bool) -> Result<Dense> {
    let bound = if first { 1.0 / inputs as f64 } else { (6.0 / inputs as f64).sqrt() / OMEGA };
    Ok(Dense::new(outputs)
        .weights(Initializer::uniform().with("low", -bound)?.with("high", bound)?))
}

fn main() -> Result {
    let Cli { options, picture } = Cli::parse();
    let mut host = Host::new(&options.device)?;
    let contents = texels(picture.as_ref())?;
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
    let sine = Activation::sine().with("omega", OMEGA)?;
    let model = Sequential::new(2)
        .layer(dense(64, 2, true)?)
        .activation(sine)
        .layer(dense(64, 64, false)?)
        .activation(sine)
        .layer(dense(3, 64, false)?);
    let trainer = Trainer::new(model, Loss::mse(), Optimizer::adam().learning_rate(2e-3))
        .seed(options.seed)
        .on(&gpu.clone().into())?;
    // The targets lie in a buffer of the host's, which the texture is unpacked into.
    let count = (SIDE * SIDE) as usize;
    let wanted = host.buffer(&vec![0.0f32; 3 * count]);
    let of_shape = |extents: &[usize]| View::new(&wanted, 0, Shape::new(extents)?);
    let unpack = TextureCopy::new(&gpu, &texture, &of_shape(&[SIDE as usize, SIDE as usize, 3])?)?;
    let mut step = trainer.into_step(StepOptions::rows(count).targets(of_shape(&[count, 3])?))?;
    let place = |index: u32| (index as f32 + 0.5) / 32.0 - 1.0;
    let places: Vec<f32> =
        (0..SIDE * SIDE).flat_map(|at| [place(at % SIDE), place(at / SIDE)]).collect();
    let mut encoder = host.encoder();
    step.upload_inputs(&mut encoder, &places)?;
    host.submit(encoder)?;

    let painter = host.painter(PAINT, &[step.outputs()?, &Region::whole(wanted.clone())]);
    let (mut first, mut last) = (None, f64::NAN);
    for frame in 0..options.frames {
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
    host.finish("neural_image", &options, &figures)
}
