//! Render pipelines of a host that read storage buffers.

use wgrad::embed::Region;
use wgrad::wgpu;

/// Draws in a render pass, each over those before it.
pub struct Painter {
    draws: Vec<Draw>,
}

/// A render pipeline, the buffers it reads, and how many instances of a triangle it draws.
struct Draw {
    pipeline: wgpu::RenderPipeline,
    group: wgpu::BindGroup,
    instances: u32,
}

impl Painter {
    /// Fills the texture: `fragment` reads the buffers as storage, bound in order.
    pub fn new(
        device: &wgpu::Device,
        format: wgpu::TextureFormat,
        fragment: &str,
        regions: &[&Region],
    ) -> Self {
        let draw = Draw::new(device, format, &format!("{TRIANGLE}\n{fragment}"), regions, 1);
        Self { draws: vec![draw] }
    }

    /// Draws `count` triangles over it, whose corners `source` places.
    pub fn with_marks(
        mut self,
        device: &wgpu::Device,
        format: wgpu::TextureFormat,
        source: &str,
        regions: &[&Region],
        count: u32,
    ) -> Self {
        self.draws.push(Draw::new(device, format, source, regions, count));
        self
    }

    /// Draws over the whole texture.
    pub fn draw(&self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::Texture) {
        let view = target.create_view(&Default::default());
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("painter"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: &view,
                depth_slice: None,
                resolve_target: None,
                ops: Default::default(),
            })],
            depth_stencil_attachment: None,
            timestamp_writes: None,
            occlusion_query_set: None,
            multiview_mask: None,
        });
        for draw in &self.draws {
            pass.set_pipeline(&draw.pipeline);
            pass.set_bind_group(0, &draw.group, &[]);
            pass.draw(0..3, 0..draw.instances);
        }
    }
}

impl Draw {
    fn new(
        device: &wgpu::Device,
        format: wgpu::TextureFormat,
        source: &str,
        regions: &[&Region],
        instances: u32,
    ) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("painter"),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some("painter"),
            layout: None,
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("corner"),
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: Default::default(),
            depth_stencil: None,
            multisample: Default::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some("colour"),
                compilation_options: Default::default(),
                targets: &[Some(format.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        let group = group(device, &pipeline.get_bind_group_layout(0), regions);
        Self { pipeline, group, instances }
    }
}

/// Buffers bound in order.
pub fn group(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    regions: &[&Region],
) -> wgpu::BindGroup {
    fn entry<'a>((binding, region): (u32, &&'a Region)) -> wgpu::BindGroupEntry<'a> {
        let (buffer, offset, size) =
            (&region.buffer, region.offset, wgpu::BufferSize::new(region.bytes));
        let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size });
        wgpu::BindGroupEntry { binding, resource }
    }
    let entries: Vec<_> = (0..).zip(regions).map(entry).collect();
    device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("host"),
        layout,
        entries: &entries,
    })
}

/// One triangle over the whole picture; `place` goes from 0 to 1, y upwards.
const TRIANGLE: &str = "
struct Corner {
    @builtin(position) position: vec4<f32>,
    @location(0) place: vec2<f32>,
}

@vertex
fn corner(@builtin(vertex_index) index: u32) -> Corner {
    let place = vec2(f32((index << 1u) & 2u), f32(index & 2u));
    return Corner(vec4(2.0 * place - 1.0, 0.0, 1.0), place);
}";
