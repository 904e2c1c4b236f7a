//! The pictures that render pipelines draw from the buffers of the network.

use wgrad::embed::{Gpu, Inference, Region};
use wgrad::prelude::*;
use wgrad::wgpu;

use crate::Result;
use crate::paint::{self, COLOURS, FIELD_ALPHA};
use crate::sets::REACH;

/// One triangle over the whole picture; `place` goes from 0 to 1, y upwards.
const CORNER: &str = "
struct Corner {
    @builtin(position) position: vec4f,
    @location(0) place: vec2f,
}

@vertex
fn corner(@builtin(vertex_index) index: u32) -> Corner {
    let place = vec2f(f32((index << 1u) & 2u), f32(index & 2u));
    return Corner(vec4f(2.0 * place - 1.0, 0.0, 1.0), place);
}

@group(0) @binding(0) var<storage, read> values: array<f32>;
";

/// The classes of each cell, mixed as they compete.
const FIELD: &str = "
@fragment
fn pixel(corner: Corner) -> @location(0) vec4f {
    let at = min(vec2u(corner.place * f32(CELLS)), vec2u(CELLS - 1u));
    let first = (at.y * CELLS + at.x) * CLASSES;
    var top = values[first];
    for (var kind = 1u; kind < CLASSES; kind += 1u) {
        top = max(top, values[first + kind]);
    }
    var mixed = vec4f(0.0);
    for (var kind = 0u; kind < CLASSES; kind += 1u) {
        mixed += exp(SHARPNESS * (values[first + kind] - top)) * vec4f(colour(kind), 1.0);
    }
    return vec4f(mixed.rgb / mixed.a * ALPHA, ALPHA);
}";

/// The line through the values, as wide everywhere.
const CURVE: &str = "
@fragment
fn pixel(corner: Corner) -> @location(0) vec4f {
    let at = clamp(corner.place.x * f32(CELLS) - 0.5, 0.0, f32(CELLS) - 1.001);
    let cell = u32(at);
    let left = values[cell];
    let right = values[cell + 1u];
    let slope = (right - left) * f32(CELLS) / (2.0 * REACH);
    let value = mix(left, right, fract(at));
    let away = abs(value - (2.0 * corner.place.y - 1.0) * REACH) / sqrt(1.0 + slope * slope);
    let alpha = 1.0 - smoothstep(0.010, 0.017, away);
    return vec4f(colour(0u) * alpha, alpha);
}";

/// A cell per weight, by sign and size.
const WEIGHTS: &str = "
@fragment
fn pixel(corner: Corner) -> @location(0) vec4f {
    let place = vec2f(corner.place.x, 1.0 - corner.place.y);
    let size = vec2u(COLUMNS, ROWS);
    let at = min(vec2u(place * vec2f(size)), size - 1u);
    let weight = values[at.y * COLUMNS + at.x];
    let alpha = abs(weight) / (abs(weight) + 0.5);
    return vec4f(colour(select(0u, 1u, weight < 0.0)) * alpha, alpha);
}";

/// A canvas of the page.
pub(crate) struct Screen {
    surface: wgpu::Surface<'static>,
    format: wgpu::TextureFormat,
    width: u32,
    height: u32,
}

impl Screen {
    pub(crate) fn new(
        surface: wgpu::Surface<'static>,
        (adapter, device): (&wgpu::Adapter, &wgpu::Device),
        (width, height): (u32, u32),
    ) -> Result<Self> {
        let config = surface.get_default_config(adapter, width, height);
        let mut config = config.ok_or("the adapter cannot draw on a canvas")?;
        config.alpha_mode = wgpu::CompositeAlphaMode::PreMultiplied;
        surface.configure(device, &config);
        Ok(Self { surface, format: config.format, width, height })
    }
}

/// A render pipeline over one buffer.
struct Draw {
    pipeline: wgpu::RenderPipeline,
    group: wgpu::BindGroup,
}

impl Draw {
    fn new(device: &wgpu::Device, screen: &Screen, source: &str, values: &Region) -> Self {
        let source = wgpu::ShaderSource::Wgsl(format!("{CORNER}{}{source}", colours()).into());
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some("picture"), source };
        let module = device.create_shader_module(descriptor);
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("picture"),
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
                targets: &[Some(screen.format.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        let size = wgpu::BufferSize::new(values.bytes);
        let binding = wgpu::BufferBinding { buffer: &values.buffer, offset: values.offset, size };
        let resource = wgpu::BindingResource::Buffer(binding);
        let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("picture"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[wgpu::BindGroupEntry { binding: 0, resource }],
        });
        Self { pipeline, group }
    }
}

fn colours() -> String {
    let one = |[red, green, blue]: [f32; 3]| format!("vec3f({red:?}, {green:?}, {blue:?})");
    let all = COLOURS.map(one).join(", ");
    format!("fn colour(kind: u32) -> vec3f {{ return array({all})[kind]; }}\n")
}

/// What draws a network: its outputs over the cells of the picture, and its weights.
pub(crate) struct View {
    gpu: Gpu,
    seen: Inference,
    field: Draw,
    weights: Vec<Draw>,
}

impl View {
    pub(crate) fn new(
        gpu: &Gpu,
        trainer: &mut Trainer,
        (field, weights): (&Screen, &Screen),
        (is_curve, sharpness): (bool, f32),
    ) -> Result<Self> {
        let (device, cells) = (gpu.device(), paint::cells(is_curve));
        let grid = paint::grid(is_curve);
        // The passes made from here on read the weights where they are then.
        let weights = matrices(gpu, trainer, weights)?;
        let mut seen = trainer.inference(grid.len() / trainer.network().inputs())?;
        let mut encoder = device.create_command_encoder(&Default::default());
        seen.upload_inputs(&mut encoder, &grid)?;
        gpu.queue().submit([encoder.finish()]);
        let head = format!(
            "const CELLS = {cells}u; const CLASSES = {}u; const SHARPNESS = {sharpness:?}; \
             const ALPHA = {FIELD_ALPHA:?}; const REACH = {REACH:?};",
            trainer.network().outputs()
        );
        let source = format!("{head}{}", if is_curve { CURVE } else { FIELD });
        let field = Draw::new(device, field, &source, seen.outputs());
        Ok(Self { gpu: gpu.clone(), seen, field, weights })
    }

    /// Draws both pictures from the weights as they are.
    pub(crate) fn draw(&mut self, field: &Screen, weights: &Screen) -> Result<()> {
        let mut encoder = self.gpu.device().create_command_encoder(&Default::default());
        self.seen.encode(&mut encoder)?;
        let whole = vec![[0, 0, field.width as usize, field.height as usize]];
        let panels =
            paint::panels(self.weights.len(), weights.width as usize, weights.height as usize);
        let field = draw(&mut encoder, field, std::slice::from_ref(&self.field), &whole);
        let weights = draw(&mut encoder, weights, &self.weights, &panels);
        self.gpu.queue().submit([encoder.finish()]);
        field.into_iter().chain(weights).for_each(|texture| self.gpu.queue().present(texture));
        Ok(())
    }
}

/// A picture per matrix of the network, whose parameters move to a buffer of the page.
fn matrices(gpu: &Gpu, trainer: &mut Trainer, screen: &Screen) -> Result<Vec<Draw>> {
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("parameters"),
        size: trainer.network().param_bytes(),
        usage: wgpu::BufferUsages::STORAGE
            | wgpu::BufferUsages::COPY_SRC
            | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    trainer.move_parameters(&buffer, 0)?;
    let network = trainer.network();
    let params = network.params().iter().zip(network.param_ranges());
    let draws = params.filter_map(|(info, range)| match info.shape.to_vec()[..] {
        [rows, columns] => {
            let source = format!("const ROWS = {rows}u; const COLUMNS = {columns}u;{WEIGHTS}");
            let mut values = Region::whole(buffer.clone());
            (values.offset, values.bytes) = (range.start, range.end - range.start);
            Some(Draw::new(gpu.device(), screen, &source, &values))
        }
        _ => None,
    });
    Ok(draws.collect())
}

/// Records a pass over the canvas, if it can be drawn on now.
fn draw(
    encoder: &mut wgpu::CommandEncoder,
    screen: &Screen,
    draws: &[Draw],
    panels: &[[usize; 4]],
) -> Option<wgpu::SurfaceTexture> {
    use wgpu::CurrentSurfaceTexture as Current;
    let (Current::Success(texture) | Current::Suboptimal(texture)) =
        screen.surface.get_current_texture()
    else {
        return None;
    };
    let view = texture.texture.create_view(&Default::default());
    let clear = wgpu::Operations {
        load: wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT),
        store: wgpu::StoreOp::Store,
    };
    let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view: &view,
            depth_slice: None,
            resolve_target: None,
            ops: clear,
        })],
        ..Default::default()
    });
    for (draw, panel) in draws.iter().zip(panels) {
        let [left, top, width, height] = panel.map(|pixels| pixels as f32);
        pass.set_viewport(left, top, width, height, 0.0, 1.0);
        pass.set_pipeline(&draw.pipeline);
        pass.set_bind_group(0, &draw.group, &[]);
        pass.draw(0..3, 0..1);
    }
    drop(pass);
    Some(texture)
}
