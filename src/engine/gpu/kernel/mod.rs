//! Kernels: WGSL text by plain concatenation, with the bindings and parameter fields the host fills in.

mod custom;
pub mod fused_step;
pub mod matmul;
pub mod names;
pub mod parts;
pub mod registry;
mod rows;
mod size;
mod text;
mod trusted;
pub mod writer;

use std::sync::OnceLock;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::time::Instant;
pub use rows::{Lanes, Reads, Rows};
pub use size::KernelSize;
pub use text::Text;
use trusted::Trust;

/// The use of a binding by a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    ReadWrite,
    /// `var<uniform>`: a small buffer that is only read.
    Uniform,
    /// Not bound: this variant of the kernel has no such variable, and the others keep their numbers.
    Absent,
}

/// A storage binding; its number is its place in the list plus one, after the uniform parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The WGSL variable.
    pub name: &'static str,
    /// Its use.
    pub access: Access,
}

/// A field of the uniform `Params`, of one or more 32-bit words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The WGSL field.
    pub name: &'static str,
    /// Its size in words.
    pub words: usize,
}

impl Field {
    /// The name of a field that fills a gap.
    pub const UNUSED: &'static str = "unused";

    pub(crate) const fn word(name: &'static str) -> Self {
        Self { name, words: 1 }
    }

    /// So many words that fill a gap.
    pub(crate) const fn unused(words: usize) -> Self {
        Self { name: Self::UNUSED, words }
    }
}

/// A compute shader and what the host must know about it.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// `family.name.direction`, unique.
    pub label: String,
    /// The texts that make up the module; WGSL declarations may come in any order.
    pub parts: Vec<Text>,
    /// The storage bindings.
    pub bindings: Vec<Binding>,
    /// The fields of `Params` before `hyper`.
    pub fields: Vec<Field>,
    /// The fields of `Hyper`, if the kernel has one; empty for one without parameters.
    pub hyper: Option<Vec<&'static str>>,
    /// Invocations per workgroup.
    pub workgroup: u32,
}

/// Uniform structs are aligned to this many words, and so is a struct inside one.
const ALIGN: usize = 4;

impl Kernel {
    /// The number of storage buffers that it binds.
    pub fn storage_buffers(&self) -> u64 {
        self.bound().filter(|binding| binding.access != Access::Uniform).count() as u64
    }

    /// The number of uniform buffers that it binds, including its parameters.
    pub fn uniform_buffers(&self) -> u64 {
        1 + self.bound().count() as u64 - self.storage_buffers()
    }

    /// The storage bindings that this variant has.
    pub fn bound(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(|binding| binding.access != Access::Absent)
    }

    /// The features that a device needs for it beyond those of every WebGPU device.
    pub fn features(&self) -> wgpu::Features {
        let calls = ["subgroupBroadcast(", "subgroupAdd(", "subgroupMax("];
        let mut features = wgpu::Features::empty();
        let uses = |call: &str| self.parts.iter().any(|part| part.contains(call));
        features.set(wgpu::Features::SUBGROUP, calls.into_iter().any(uses));
        features.set(wgpu::Features::SUBGROUP_BARRIER, uses("subgroupBarrier("));
        features
    }

    /// Returns whether some part of its text is user-defined.
    pub(super) fn is_foreign(&self) -> bool {
        Trust::of(self) == Trust::None
    }

    /// Returns whether it is written for a step of certain sizes, so that there is no limit to the number of such kernels.
    pub(super) fn is_of_a_step(&self) -> bool {
        self.label.starts_with("whole.")
    }

    /// The whole WGSL module.
    pub fn source(&self) -> String {
        self.parts.iter().map(|part| &**part).collect::<Vec<_>>().join("\n")
    }

    /// The words of the uniform parameters: the fields, then `hyper`, each padded as WGSL lays them out.
    ///
    /// # Errors
    /// [`Error::Shape`] if the counts differ from the kernel's fields.
    pub fn words(&self, fields: &[u32], hyper: &[f64]) -> Result<Vec<u32>> {
        let expected: usize = self.fields.iter().map(|field| field.words).sum();
        let names = self.hyper.as_deref().unwrap_or_default();
        if fields.len() != expected || hyper.len() < names.len() {
            let (words, numbers, wanted) = (fields.len(), hyper.len(), names.len());
            let message = format!(
                "{words} words and {numbers} numbers for fields of {expected} and {wanted}"
            );
            return Err(Error::shape(&self.label, message));
        }
        let mut words = fields.to_vec();
        words.resize(words.len().next_multiple_of(ALIGN), 0);
        words.extend(hyper.iter().take(names.len()).map(|value| (*value as f32).to_bits()));
        words.resize(self.uniform_words(), 0);
        Ok(words)
    }

    /// The size of `Params` in words.
    pub fn uniform_words(&self) -> usize {
        let fields: usize = self.fields.iter().map(|field| field.words).sum();
        let hyper = self.hyper.as_ref().map_or(0, |names| names.len().max(1));
        fields.next_multiple_of(ALIGN) + hyper.next_multiple_of(ALIGN)
    }
}

/// A compiled kernel.
#[derive(Debug)]
pub struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) kernel: Kernel,
    /// The time of its creation.
    pub(super) compile: Duration,
    /// The time of a first dispatch, if it was measured.
    pub(super) first_dispatch: OnceLock<Duration>,
}

impl Pipeline {
    pub(super) fn new(
        device: &wgpu::Device,
        kernel: &Kernel,
        checked: bool,
        cache: Option<&wgpu::PipelineCache>,
    ) -> Self {
        let begin = Instant::now();
        let label = format!("wgrad {}", kernel.label);
        let label = Some(label.as_str());
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let buffer = |access| match access {
            Access::Uniform => wgpu::BufferBindingType::Uniform,
            _ => wgpu::BufferBindingType::Storage { read_only: access == Access::Read },
        };
        let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
        let bound = (1..).zip(&kernel.bindings).filter(|(_, b)| b.access != Access::Absent);
        entries.extend(bound.map(|(number, binding)| entry(number, buffer(binding.access))));
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label,
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });

        let descriptor = wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(kernel.source().into()),
        };
        let trust = if checked { Trust::None } else { Trust::of(kernel) };
        let module = trusted::module(device, descriptor, trust);
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: trust != Trust::Whole,
                ..Default::default()
            },
            cache,
        });
        let (kernel, first_dispatch) = (kernel.clone(), OnceLock::new());
        Self { pipeline, layout, kernel, compile: begin.elapsed(), first_dispatch }
    }
}
