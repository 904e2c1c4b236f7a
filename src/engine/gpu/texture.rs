//! Copies between the host's textures and tensors, with format conversion on the device.

use super::kernel::parts::shader;
use super::memory::View;
use super::requirements::{compute_needs, within};
use super::{Gpu, Region};
use crate::error::{Error, Result};
use crate::ir::DType;

const OP: &str = "texture copy";

/// The side of a workgroup.
const SIDE: u32 = 8;

/// The declaration of an image of a format, to be written.
macro_rules! image {
    ($format:literal) => {
        concat!("@group(0) @binding(1) var image: texture_storage_2d<", $format, ", write>;\n")
    };
}

/// The formats, each with the declaration of an image that is written.
const IMAGES: [(wgpu::TextureFormat, &str); 4] = [
    (wgpu::TextureFormat::Rgba8Unorm, image!("rgba8unorm")),
    (wgpu::TextureFormat::R32Float, image!("r32float")),
    (wgpu::TextureFormat::Rgba16Float, image!("rgba16float")),
    (wgpu::TextureFormat::Rgba32Float, image!("rgba32float")),
];

const PARAMS: &str = shader!("texture/params");
const TO_TENSOR: [&str; 2] = [PARAMS, shader!("texture/to_tensor")];

/// The parts of the kernel that writes such an image.
const fn to_image(image: &str) -> [&str; 3] {
    [PARAMS, image, shader!("texture/to_image")]
}

/// Returns the source of every kernel that copies textures.
pub fn sources() -> Vec<String> {
    let written = IMAGES.iter().map(|(_, image)| to_image(image).join("\n"));
    written.chain([TO_TENSOR.join("\n")]).collect()
}

/// A texture paired with a tensor of shape [height, width, channels], to be copied in either direction in the host's
/// encoders.
///
/// The formats are RGBA8 (unorm, values from 0 to 1), R32F, RGBA16F and RGBA32F. A tensor has one to four channels. If
/// the texture has more, reading takes the first ones, and writing sets the others to 0 and alpha to 1.
#[derive(Debug)]
pub struct TextureCopy {
    to_tensor: Option<Way>,
    to_texture: Option<Way>,
    groups: [u32; 2],
}

#[derive(Debug)]
struct Way {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
}

impl TextureCopy {
    /// Builds the copies that the texture's usage allows: from the texture with `TEXTURE_BINDING`, to it with
    /// `STORAGE_BINDING`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the tensor's shape is not [height, width, channels] of the texture with 1 to 4 channels;
    /// [`Error::Unsupported`] for another format, dimension or usage, or a tensor of another device; [`Error::Limit`];
    /// any error that the device raises.
    pub fn new(gpu: &Gpu, texture: &wgpu::Texture, tensor: &View) -> Result<Self> {
        let (width, height) = (texture.width(), texture.height());
        let store = check(texture, tensor)?;
        let groups = [width.div_ceil(SIDE), height.div_ceil(SIDE)];
        check_limits(gpu, groups, texture.usage())?;
        tensor.check(gpu, OP, "the tensor")?;
        let channels = tensor.shape.cols() as u32;
        let words = [width, height, channels, 0];
        let uniform = gpu.buffer("texture parameters", 16, &words, wgpu::BufferUsages::UNIFORM)?;
        let descriptor = wgpu::TextureViewDescriptor {
            label: Some("wgrad texture"),
            base_mip_level: 0,
            mip_level_count: Some(1),
            ..Default::default()
        };
        // Every valid texture has such a view.
        let explain = |_: &Gpu, message| Error::unsupported(OP, message);
        let view = gpu.scoped_or(OP, explain, || texture.create_view(&descriptor))?;
        let has = |usage| texture.usage().contains(usage);
        let way = |label: &str, parts: &[&str]| {
            let source = parts.join("\n");
            gpu.scoped(label, || Way::new(gpu, label, &source, &uniform, &view, &tensor.region))
        };
        let to_tensor = has(wgpu::TextureUsages::TEXTURE_BINDING)
            .then(|| way("texture.to_tensor", &TO_TENSOR))
            .transpose()?;
        let to_texture = has(wgpu::TextureUsages::STORAGE_BINDING)
            .then(|| way("texture.to_image", &to_image(store)))
            .transpose()?;
        Ok(Self { to_tensor, to_texture, groups })
    }

    /// Records the copy of the texels to the tensor.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the texture's usage does not include `TEXTURE_BINDING`.
    pub fn to_tensor(&self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        self.encode(encoder, self.to_tensor.as_ref(), "TEXTURE_BINDING")
    }

    /// Records the copy of the tensor's elements to the texture.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the texture's usage does not include `STORAGE_BINDING`.
    pub fn to_texture(&self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        self.encode(encoder, self.to_texture.as_ref(), "STORAGE_BINDING")
    }

    fn encode(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        way: Option<&Way>,
        usage: &str,
    ) -> Result<()> {
        let Some(Way { pipeline, bind_group }) = way else {
            let message = format!("the texture's usage does not include {usage}");
            return Err(Error::unsupported(OP, message));
        };
        let label = Some("wgrad texture copy");
        let descriptor = wgpu::ComputePassDescriptor { label, timestamp_writes: None };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, bind_group, &[]);
        let [x, y] = self.groups;
        pass.dispatch_workgroups(x, y, 1);
        Ok(())
    }
}

impl Way {
    fn new(
        gpu: &Gpu,
        label: &str,
        source: &str,
        uniform: &Region,
        texture: &wgpu::TextureView,
        tensor: &Region,
    ) -> Self {
        let (device, label) = (gpu.device(), format!("wgrad {label}"));
        let label = Some(label.as_str());
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[
                entry(0, uniform.binding()),
                entry(1, wgpu::BindingResource::TextureView(texture)),
                entry(2, tensor.binding()),
            ],
        });
        Self { pipeline, bind_group }
    }
}

/// Fails if the copies exceed the device's limits.
fn check_limits(gpu: &Gpu, groups: [u32; 2], usage: wgpu::TextureUsages) -> Result<()> {
    let limits = gpu.limits();
    let [sampled, stored] =
        [wgpu::TextureUsages::TEXTURE_BINDING, wgpu::TextureUsages::STORAGE_BINDING]
            .map(|one| u64::from(usage.contains(one)));
    let [x, y] = groups.map(u64::from);
    let what = || OP.to_string();
    within(what, [(16, limits.max_uniform_buffer_binding_size, "bytes of a uniform buffer")])?;
    within(what, compute_needs(limits, 3, [SIDE, SIDE]))?;
    let most = limits.max_compute_workgroups_per_dimension;
    within(
        what,
        [
            (sampled, limits.max_sampled_textures_per_shader_stage, "sampled textures"),
            (stored, limits.max_storage_textures_per_shader_stage, "storage textures"),
            (1, limits.max_storage_buffers_per_shader_stage, "storage buffers per shader stage"),
            (1, limits.max_uniform_buffers_per_shader_stage, "uniform buffers per shader stage"),
            (x.max(y), most, "workgroups per dimension"),
        ],
    )
}

/// Returns the shader source that writes the texture's format. Fails unless the tensor has the texture's size and the
/// format is supported.
fn check(texture: &wgpu::Texture, tensor: &View) -> Result<&'static str> {
    let (width, height) = (texture.width() as usize, texture.height() as usize);
    let shape = tensor.shape.to_vec();
    let fits = matches!(*shape, [h, w, 1..=4] if (h, w) == (height, width));
    if !fits || tensor.dtype != DType::F32 {
        let message = format!(
            "a tensor of {:?} {} for a texture of {height} x {width}; it must be F32 [{height}, {width}, channels]",
            tensor.dtype, tensor.shape
        );
        return Err(Error::shape(OP, message));
    }
    let plain = texture.dimension() == wgpu::TextureDimension::D2
        && texture.depth_or_array_layers() == 1
        && texture.sample_count() == 1;
    if !plain {
        let message = "the texture must be two-dimensional, of one layer and one sample";
        return Err(Error::unsupported(OP, message));
    }
    let stored = IMAGES.iter().find(|(format, _)| *format == texture.format());
    let message = || {
        let format = texture.format();
        format!(
            "the format {format:?}; it must be Rgba8Unorm, R32Float, Rgba16Float or Rgba32Float"
        )
    };
    stored.map(|(_, image)| *image).ok_or_else(|| Error::unsupported(OP, message()))
}
