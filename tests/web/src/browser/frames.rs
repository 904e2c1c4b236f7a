//! Frames of a page that owns the device and a canvas, and has a network trained within them.
//!
//! The page draws into a texture and puts its pixels on the canvas: without a GPU, headless Chromium presents nothing.

use serde_json::json;
use wasm_bindgen::prelude::*;
use wgrad::embed::{Budget, Gpu, StepOptions, TrainingStep};
use wgrad::wgpu;

use super::{Found, lost};
use crate::runs::Net;

const FRAMES: usize = 300;

/// The sides of the picture.
const SIZE: wgpu::Extent3d = wgpu::Extent3d { width: 256, height: 128, depth_or_array_layers: 1 };

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Every so many frames the page reads its picture back.
const READ: usize = 25;

/// The bytes of the buffer that the parameters are placed in.
const PARAMETERS: u64 = 1 << 16;

const DRAW: &str = "
@group(0) @binding(0) var<storage, read> parameters: array<f32>;

@vertex
fn corner(@builtin(vertex_index) index: u32) -> @builtin(position) vec4f {
    return vec4f(f32(index & 1) * 4.0 - 1.0, f32(index >> 1) * 4.0 - 1.0, 0.0, 1.0);
}

@fragment
fn pixel(@builtin(position) at: vec4f) -> @location(0) vec4f {
    let weight = parameters[u32(at.x) % 128u];
    return vec4f(0.5 + weight, 0.5, 0.5 - weight, 1.0);
}
";

#[wasm_bindgen]
extern "C" {
    /// Waits for the next frame of the page.
    #[wasm_bindgen(js_namespace = window, js_name = nextFrame, catch)]
    async fn next_frame() -> Result<JsValue, JsValue>;
    /// Puts pixels on the canvas.
    #[wasm_bindgen(js_namespace = window, js_name = paint, catch)]
    fn paint(pixels: &[u8]) -> Result<(), JsValue>;
}

/// A pipeline that draws the parameters, its picture, and the page's copy of that.
struct Picture {
    texture: wgpu::Texture,
    pipeline: wgpu::RenderPipeline,
    bind_group: wgpu::BindGroup,
    copy: wgpu::Buffer,
}

impl Picture {
    fn new(device: &wgpu::Device, parameters: &wgpu::Buffer) -> Self {
        let source = wgpu::ShaderSource::Wgsl(DRAW.into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: None, source };
        let module = device.create_shader_module(descriptor);
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: None,
            layout: None,
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: None,
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: Default::default(),
            depth_stencil: None,
            multisample: Default::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: None,
                compilation_options: Default::default(),
                targets: &[Some(FORMAT.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        let entry = wgpu::BindGroupEntry { binding: 0, resource: parameters.as_entire_binding() };
        let layout = &pipeline.get_bind_group_layout(0);
        let descriptor = wgpu::BindGroupDescriptor { label: None, layout, entries: &[entry] };
        let bind_group = device.create_bind_group(&descriptor);
        let texture = device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: SIZE,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
            view_formats: &[],
        });
        let size = u64::from(4 * SIZE.width * SIZE.height);
        let copy =
            buffer(device, size, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);
        Self { texture, pipeline, bind_group, copy }
    }

    fn draw(&self, encoder: &mut wgpu::CommandEncoder) {
        let view = self.texture.create_view(&Default::default());
        let attachment = wgpu::RenderPassColorAttachment {
            view: &view,
            depth_slice: None,
            resolve_target: None,
            ops: Default::default(),
        };
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            color_attachments: &[Some(attachment)],
            ..Default::default()
        });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.draw(0..3, 0..1);
    }

    /// Records the copy of the picture.
    fn read_back(&self, encoder: &mut wgpu::CommandEncoder) {
        let bytes_per_row = Some(4 * SIZE.width);
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row, rows_per_image: None };
        let copy = wgpu::TexelCopyBufferInfo { buffer: &self.copy, layout };
        encoder.copy_texture_to_buffer(self.texture.as_image_copy(), copy, SIZE);
    }

    /// The pixels of the copy.
    async fn pixels(&self) -> Vec<u8> {
        let (sender, receiver) = futures_channel::oneshot::channel();
        self.copy.map_async(wgpu::MapMode::Read, .., move |outcome| {
            let _ = sender.send(outcome);
        });
        let outcome = receiver.await;
        let (Ok(Ok(())), Ok(view)) = (outcome, self.copy.get_mapped_range(..)) else {
            return Vec::new();
        };
        let pixels = view.to_vec();
        drop(view);
        self.copy.unmap();
        pixels
    }
}

fn buffer(device: &wgpu::Device, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    let mapped_at_creation = false;
    device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation })
}

/// The page's step, whose parameters lie in a buffer of the page's.
fn step(gpu: &Gpu, parameters: &wgpu::Buffer) -> wgrad::Result<TrainingStep> {
    let data = Net::Spiral.data()?;
    let options = StepOptions::rows(data.len()).parameters(parameters, 0).fused();
    let mut step = Net::Spiral.trainer()?.on(&gpu.clone().into())?.into_step(options)?;
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap_or_default())?;
    step.upload_classes(&mut encoder, data.targets().labels().unwrap_or_default())?;
    gpu.queue().submit([encoder.finish()]);
    Ok(step)
}

pub(super) async fn all() -> Found {
    let (device, queue) = lost::host_device().await?;
    let gpu = Gpu::from_wgpu(&device, &queue);
    let usage =
        wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
    let parameters = buffer(&device, PARAMETERS, usage);
    let picture = Picture::new(&device, &parameters);
    let mut step = step(&gpu, &parameters)?;
    let (mut steps, mut pictures, mut losses) = (0, Vec::new(), Vec::new());
    for number in 0..FRAMES {
        next_frame().await.map_err(|error| format!("{error:?}"))?;
        let mut encoder = device.create_command_encoder(&Default::default());
        steps += step.encode_within(&mut encoder, Budget::millis(4))?;
        picture.draw(&mut encoder);
        if number % READ == 0 {
            picture.read_back(&mut encoder);
        }
        queue.submit([encoder.finish()]);
        if number % READ == 0 {
            let pixels = picture.pixels().await;
            paint(&pixels).map_err(|error| format!("{error:?}"))?;
            pictures.push(pixels);
        }
        losses.extend(step.metrics().try_all()?.into_iter().map(|figures| figures.loss));
    }
    lost::pause(1000).await;
    losses.extend(step.metrics().try_all()?.into_iter().map(|figures| figures.loss));
    pictures.dedup();
    let ends = (losses.first().copied(), losses.last().copied());
    let found = json!({
        "frames": FRAMES, "pictures": pictures.len(), "steps": steps, "losses": losses.len(),
        "first": ends.0, "last": ends.1,
    });
    let learns = matches!(ends, (Some(first), Some(last)) if last < 0.97 * first);
    let whole = pictures.len() == FRAMES / READ && losses.len() as u64 == steps;
    if learns && whole { Ok(found) } else { Err(found.to_string().into()) }
}
