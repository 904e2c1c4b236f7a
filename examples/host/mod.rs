//! A host application without a window: a device of its own, a render pipeline of its own, frames as PNG and GIF.
//! wgrad is a guest in its frames.

#![allow(dead_code, reason = "each example uses its part")]

pub mod field;
mod paint;

pub use paint::Painter;
use paint::group;

use std::path::PathBuf;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};
use wgpu::util::DeviceExt;
use wgrad::embed::Region;
use wgrad::wgpu;

pub type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// What every example of a host can be asked.
#[derive(clap::Args)]
pub struct Options {
    /// A part of the adapter's name; any, hardware first, unless given
    #[arg(long, default_value = "gpu", value_name = "NAME")]
    pub device: String,
    /// How many frames to draw
    #[arg(long, default_value_t = 120, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub frames: u64,
    /// How many training steps a frame holds
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    pub steps: u64,
    /// The seed of initial weights and of everything else drawn at random
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,
    /// Where pictures and animation go
    #[arg(long, default_value = "target/wgrad", value_name = "DIR")]
    pub out: PathBuf,
    /// End with one line of JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// The first adapter of a name that will do, hardware before software.
pub async fn adapter(
    instance: &wgpu::Instance,
    wanted: &str,
    will_do: impl Fn(&wgpu::Adapter) -> bool,
) -> Result<wgpu::Adapter> {
    let mut adapters = instance.enumerate_adapters(wgpu::Backends::all()).await;
    adapters.sort_by_key(|adapter| adapter.get_info().device_type == wgpu::DeviceType::Cpu);
    let wanted = wanted.to_lowercase();
    let named = |adapter: &wgpu::Adapter| {
        let name = adapter.get_info().name.to_lowercase();
        ["gpu", "auto", ""].contains(&&*wanted) || name.contains(&wanted)
    };
    let found = adapters.into_iter().find(|adapter| named(adapter) && will_do(adapter));
    Ok(found.ok_or_else(|| {
        format!("no adapter fits --device {wanted}; the example device lists those there are")
    })?)
}

/// How many frames may be in flight.
const IN_FLIGHT: usize = 2;

/// Width and height of the pictures: a row of texels is a multiple of 256 bytes.
pub const SIDE: u32 = 512;

/// The host application.
pub struct Host {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub name: String,
    target: wgpu::Texture,
    in_flight: std::collections::VecDeque<wgpu::SubmissionIndex>,
    pictures: Vec<RgbaImage>,
}

impl Host {
    /// Makes the folder of the pictures and opens an adapter with default limits and no features.
    pub fn new(options: &Options) -> Result<Self> {
        let out = options.out.display();
        std::fs::create_dir_all(&options.out).map_err(|error| format!("--out {out}: {error}"))?;
        pollster::block_on(Self::open(&options.device))
    }

    async fn open(wanted: &str) -> Result<Self> {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
        let adapter = adapter(&instance, wanted, |_| true).await?;
        let (device, queue) = adapter.request_device(&wgpu::DeviceDescriptor::default()).await?;
        let target = device.create_texture(&wgpu::TextureDescriptor {
            label: Some("picture"),
            size: wgpu::Extent3d { width: SIDE, height: SIDE, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let (name, in_flight) = (adapter.get_info().name, Default::default());
        Ok(Self { device, queue, name, target, in_flight, pictures: Vec::new() })
    }

    pub fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&Default::default())
    }

    /// A buffer of the host's with these numbers or indices.
    pub fn buffer<T: bytemuck::Pod>(&self, contents: &[T]) -> wgpu::Buffer {
        self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("host"),
            contents: bytemuck::cast_slice(contents),
            usage: wgpu::BufferUsages::STORAGE
                | wgpu::BufferUsages::COPY_SRC
                | wgpu::BufferUsages::COPY_DST,
        })
    }

    /// A render pipeline that fills the picture; `fragment` reads the buffers as storage, bound in order.
    pub fn painter(&self, fragment: &str, regions: &[&Region]) -> Painter {
        Painter::new(&self.device, wgpu::TextureFormat::Rgba8Unorm, fragment, regions)
    }

    /// The picture of a decision field; see [`field::painter`].
    pub fn field(&self, network: [&Region; 2], points: [&Region; 2]) -> Painter {
        field::painter(&self.device, wgpu::TextureFormat::Rgba8Unorm, network, points)
    }

    /// A compute pipeline over the buffers, bound in order.
    pub fn pass(&self, source: &str, regions: &[&Region]) -> Pass {
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("pass"),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("pass"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let layout = pipeline.get_bind_group_layout(0);
        Pass { pipeline, group: group(&self.device, &layout, regions) }
    }

    /// Draws the picture.
    pub fn paint(&self, encoder: &mut wgpu::CommandEncoder, painter: &Painter) {
        painter.draw(encoder, &self.target);
    }

    /// Ends a frame as a window would; the host never waits for more than the frame before the last.
    pub fn submit(&mut self, encoder: wgpu::CommandEncoder) -> Result {
        self.in_flight.push_back(self.queue.submit([encoder.finish()]));
        if self.in_flight.len() > IN_FLIGHT {
            let submission_index = self.in_flight.pop_front();
            self.device.poll(wgpu::PollType::Wait { submission_index, timeout: None })?;
        }
        Ok(())
    }

    /// Keeps the picture as it is now for the animation: the only thing that is read back.
    pub fn keep(&mut self) -> Result {
        let size = u64::from(SIDE * SIDE * 4);
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("picture"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.encoder();
        encoder.copy_texture_to_buffer(
            self.target.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &staging,
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(SIDE * 4),
                    rows_per_image: None,
                },
            },
            self.target.size(),
        );
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| ());
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        let texels = staging.get_mapped_range(..)?.to_vec();
        self.pictures.push(RgbaImage::from_raw(SIDE, SIDE, texels).ok_or("a picture too short")?);
        Ok(())
    }

    /// Writes the last picture and the animation, and says how it went.
    pub fn finish(self, example: &str, options: &Options, figures: &[(&str, f64)]) -> Result {
        let place = options.out.join(example);
        if let Some(last) = self.pictures.last() {
            last.save(place.with_extension("png"))?;
        }
        let file = std::fs::File::create(place.with_extension("gif"))?;
        let mut animation = GifEncoder::new_with_speed(file, 20);
        animation.set_repeat(Repeat::Infinite)?;
        let delay = Delay::from_numer_denom_ms(80, 1);
        let frames = self.pictures.into_iter();
        animation.encode_frames(frames.map(|picture| Frame::from_parts(picture, 0, 0, delay)))?;
        let mut json = serde_json::json!({
            "example": example,
            "adapter": self.name,
            "frames": options.frames,
            "steps_per_frame": options.steps,
            "seed": options.seed,
        });
        for (name, value) in figures {
            json[*name] = (*value).into();
        }
        if options.json {
            println!("{json}");
        } else {
            let words: Vec<_> =
                figures.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
            println!("{} on {}; {}.png and .gif", words.join(", "), self.name, place.display());
        }
        Ok(())
    }
}

/// A compute pipeline and what it works on.
pub struct Pass {
    pipeline: wgpu::ComputePipeline,
    group: wgpu::BindGroup,
}

impl Pass {
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder, groups: u32) {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.group, &[]);
        pass.dispatch_workgroups(groups, 1, 1);
    }
}
