//! The dispatches of a step, with pipelines and bind groups.

use std::ops::Range;
use std::sync::Arc;

use crate::engine::gpu::kernel::{Access, Kernel, Pipeline};
use crate::engine::gpu::lower::{Job, Lowering, PlanMemory, fusion};
use crate::engine::gpu::memory::Region;
use crate::engine::gpu::{Gpu, PlanWeights};
use crate::error::{Error, Result};
use crate::ir::Program;

/// One dispatch of a step.
#[derive(Debug)]
pub struct Dispatch {
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    /// The words of its uniform parameters.
    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "cases are exported natively"))]
    pub(crate) words: Vec<u32>,
    /// The regions of its storage bindings, in the order of the kernel.
    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "cases are exported natively"))]
    pub(crate) bindings: Vec<Region>,
    /// The kernel's label.
    pub label: String,
    /// Workgroups along x and y.
    pub grid: [u32; 2],
    /// The total bytes of its bindings.
    pub bytes: u64,
    /// The number of floating-point operations, where known.
    pub flops: u64,
}

impl Dispatch {
    /// The compute pipeline.
    pub fn pipeline(&self) -> &wgpu::ComputePipeline {
        &self.pipeline.pipeline
    }

    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "cases are exported natively"))]
    pub(crate) fn kernel(&self) -> &Kernel {
        &self.pipeline.kernel
    }

    pub(super) fn shared_pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// The bind group, to be set as group 0.
    pub fn bind_group(&self) -> &wgpu::BindGroup {
        &self.bind_group
    }
}

/// The dispatches of a step.
#[derive(Debug)]
pub(in crate::engine::gpu) struct List {
    pub dispatches: Vec<Dispatch>,
    /// The number of dispatches before each op.
    pub marks: Vec<usize>,
    /// The ops that are fused into a dispatch of an earlier op.
    pub inside: Vec<usize>,
    /// The uniform parameters of the kernels.
    pub uniforms: Option<Region>,
    /// Scratch memory between the kernels of one op.
    pub scratch: Vec<Region>,
}

impl List {
    pub(crate) fn new(
        gpu: &Gpu,
        program: &Program,
        weights: Option<&PlanWeights>,
        memory: PlanMemory,
        fused: &fusion::FusionPlan,
    ) -> Result<Self> {
        weights.map_or(Ok(()), |weights| weights.check(gpu, program))?;
        memory.check_views(program, weights)?;
        let mut lowering = Lowering::new(gpu, program, weights, memory);
        lowering.lower(fused)?;
        let Lowering { jobs, marks, inside, scratch, .. } = lowering;
        let done = |jobs: &[Job]| jobs.iter().filter(|job| job.groups > 0).count();
        let marks = marks.into_iter().map(|mark| done(jobs.get(..mark).unwrap_or(&jobs))).collect();
        // An op without elements has nothing to dispatch.
        let jobs: Vec<Job> = jobs.into_iter().filter(|job| job.groups > 0).collect();
        let uniforms = uniforms(gpu, &jobs)?;
        let mut dispatches = Vec::with_capacity(jobs.len());
        let mut offset = 0;
        for job in &jobs {
            dispatches.push(bind(gpu, job, uniforms.as_ref(), offset)?);
            offset += stride(gpu, job);
        }
        Ok(Self { dispatches, marks, inside, uniforms, scratch: scratch.into_inner() })
    }

    /// The dispatches of a range of the ops.
    pub(crate) fn range(&self, ops: &Range<usize>) -> Range<usize> {
        let mark = |op: usize| self.marks.get(op).copied().unwrap_or(self.dispatches.len());
        mark(ops.start)..mark(ops.end)
    }
}

/// The distance in bytes from the uniform parameters of a job to those of the next.
fn stride(gpu: &Gpu, job: &Job) -> u64 {
    let alignment = u64::from(gpu.limits().min_uniform_buffer_offset_alignment.max(16));
    (job.words.len() as u64 * 4).next_multiple_of(alignment)
}

/// The uniform parameters of all jobs in one buffer.
fn uniforms(gpu: &Gpu, jobs: &[Job]) -> Result<Option<Region>> {
    let mut contents: Vec<u32> = Vec::new();
    for job in jobs {
        let end = contents.len() + stride(gpu, job) as usize / 4;
        contents.extend(&job.words);
        contents.resize(end, 0);
    }
    if contents.is_empty() {
        return Ok(None);
    }
    let bytes = contents.len() as u64 * 4;
    gpu.buffer("kernel parameters", bytes, &contents, wgpu::BufferUsages::UNIFORM).map(Some)
}

fn bind(gpu: &Gpu, job: &Job, uniforms: Option<&Region>, offset: u64) -> Result<Dispatch> {
    let pipeline = gpu.pipeline(&job.kernel)?;
    let uniforms = uniforms.ok_or_else(|| Error::Internal("no parameters".into()))?;
    let words = Region { offset, bytes: job.words.len() as u64 * 4, ..uniforms.clone() };
    let numbered = (1..).zip(&job.kernel.bindings);
    let bound = numbered.filter(|(_, binding)| binding.access != Access::Absent);
    let entries: Vec<wgpu::BindGroupEntry<'_>> = std::iter::once((0, &words))
        .chain(bound.zip(&job.bindings).map(|((number, _), region)| (number, region)))
        .map(|(binding, region)| wgpu::BindGroupEntry { binding, resource: region.binding() })
        .collect();
    let label = format!("wgrad {}", job.kernel.label);
    let descriptor = wgpu::BindGroupDescriptor {
        label: Some(&label),
        layout: &pipeline.layout,
        entries: &entries,
    };
    let is_borrowed = job.bindings.iter().any(|region| region.owner.is_none());
    let op = job.kernel.label.clone();
    let explain = move |_: &Gpu, message| match is_borrowed {
        // Only the device knows whether a buffer of the host still exists.
        true => Error::unsupported(op, message),
        false => Error::Internal(message),
    };
    let bind_group =
        gpu.scoped_or(&job.kernel.label, explain, || gpu.device().create_bind_group(&descriptor))?;
    let grid =
        grid(job.groups, gpu.limits().max_compute_workgroups_per_dimension, &job.kernel.label)?;
    let bytes = job.bindings.iter().map(|region| region.bytes).sum();
    Ok(Dispatch {
        pipeline,
        bind_group,
        words: job.words.clone(),
        bindings: job.bindings.clone(),
        label: job.kernel.label.clone(),
        grid,
        bytes,
        flops: job.flops,
    })
}

/// Folds a row of workgroups into as many equal rows as the device's limit requires.
fn grid(groups: u64, limit: u32, label: &str) -> Result<[u32; 2]> {
    let most = u64::from(limit);
    let rows = groups.checked_div(most).map_or(u64::MAX, |_| groups.div_ceil(most));
    if rows > most {
        let what = label.to_string();
        return Err(Error::Limit { what, needed: groups, limit: most * most, unit: "workgroups" });
    }
    Ok([groups.div_ceil(rows.max(1)) as u32, rows as u32])
}

#[cfg(test)]
mod tests {
    use super::grid;

    #[test]
    fn a_grid_over_the_limit_is_folded_and_covers_every_workgroup() {
        assert_eq!(grid(1, 65_535, "op").unwrap(), [1, 1]);
        assert_eq!(grid(65_535, 65_535, "op").unwrap(), [65_535, 1]);
        assert_eq!(grid(65_536, 65_535, "op").unwrap(), [32_768, 2]);
        assert!(grid(10, 3, "op").unwrap_err().to_string().contains("op"));
        assert_eq!(grid(9, 3, "op").unwrap(), [3, 3]);
        assert!(grid(1, 0, "op").unwrap_err().to_string().contains("op"));
    }
}
