//! A program lowered for one device: a list of dispatches with everything bound.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use super::kernel::Pipeline;
use super::lower::{Job, Lowering, RING};
use super::memory::{Region, View};
use super::steps::StepTable;
use super::{Gpu, Weights};
use crate::error::{Error, Result};
use crate::program::{DType, Op, Program, Slot, StepEntry};

/// One dispatch of a step.
#[derive(Debug)]
pub struct Dispatch {
    pipeline: Arc<Pipeline>,
    bind_group: wgpu::BindGroup,
    /// The kernel's label.
    pub label: String,
    /// Workgroups along x and y.
    pub grid: [u32; 2],
    /// The bytes bound to it.
    pub bytes: u64,
    /// The floating-point operations it counts for, where that is known.
    pub flops: u64,
}

/// A program ready to be recorded into command encoders: no allocation, no queue write and no decision per step.
///
/// ```no_run
/// # fn host(gpu: &wgrad::gpu::Gpu, program: wgrad::Program, encoder: &mut wgpu::CommandEncoder) -> wgrad::Result<()> {
/// use wgrad::gpu::Plan;
/// use wgrad::program::StepEntry;
///
/// let mut plan = Plan::new(gpu, program, None, &[], 0, |_| StepEntry::rows(64))?;
/// plan.encode(encoder, 1)?; // recorded, not submitted
/// println!("{}", plan.explain());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Plan {
    gpu: Gpu,
    program: Program,
    dispatches: Vec<Dispatch>,
    /// How many dispatches lie before each op.
    marks: Vec<usize>,
    /// The ops that a dispatch does together with the op before.
    inside: Vec<usize>,
    slots: Vec<Option<Region>>,
    ring: Region,
    steps: StepTable,
    counting: bool,
    // Bind groups refer to it.
    _uniforms: Option<Region>,
}

impl Plan {
    /// Lowers a program. `views` puts inputs and values into buffers of the caller's; `first` is the number of the
    /// first step, and `rule` gives each step its entry.
    ///
    /// # Errors
    /// [`Error::Limit`] if a tensor is larger than the device can bind, [`Error::OutOfMemory`], [`Error::Shape`] if a
    /// view has another shape than its slot, [`Error::Unsupported`] if views make one dispatch read and write a buffer.
    pub fn new(
        gpu: &Gpu,
        program: Program,
        weights: Option<&Weights>,
        views: &[(Slot, View)],
        first: u64,
        rule: impl Fn(u64) -> StepEntry + Send + Sync + 'static,
    ) -> Result<Self> {
        let counting = program.ops().iter().any(|op| matches!(op, Op::Record { .. }));
        let steps = StepTable::new(gpu, Box::new(rule), first, counting)?;
        let mut lowering = Lowering::new(gpu, &program, weights, steps.region.clone(), views)?;
        lowering.lower()?;
        let Lowering { slots, ring, jobs, marks, inside, .. } = lowering;
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
        let gpu = gpu.clone();
        Ok(Self {
            gpu,
            program,
            dispatches,
            marks,
            inside,
            slots,
            ring,
            steps,
            counting,
            _uniforms: uniforms,
        })
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The dispatches of one step, in order.
    pub fn dispatches(&self) -> &[Dispatch] {
        &self.dispatches
    }

    /// The first step not yet recorded.
    pub fn next_step(&self) -> u64 {
        self.steps.next
    }

    /// How many steps had no update because it was skipped, all that were gathered for one counted, as far as the last
    /// [`Plan::records`] saw: schedules and bias corrections are late by as many.
    pub fn skipped_steps(&self) -> u64 {
        self.steps.late()
    }

    /// The most steps that one recording can hold.
    pub fn most_steps(&self) -> u64 {
        self.steps.capacity()
    }

    /// Changes what the steps recorded from now on are given.
    pub fn set_rule(&mut self, rule: impl Fn(u64) -> StepEntry + Send + Sync + 'static) {
        self.steps.set_rule(Box::new(rule));
    }

    /// Records `steps` steps into the caller's encoder. Nothing is submitted.
    ///
    /// # Errors
    /// [`Error::Limit`] for more steps than [`Plan::most_steps`], or when too many recordings wait to be submitted and
    /// polled; [`Error::DeviceLost`].
    pub fn encode(&mut self, encoder: &mut wgpu::CommandEncoder, steps: u64) -> Result<()> {
        if steps == 0 {
            return Ok(());
        }
        self.gpu.check_alive()?;
        self.steps.record(encoder, steps)?;
        self.pass(encoder, steps, 0..self.dispatches.len());
        Ok(())
    }

    /// Records some ops of one step; those from the first op on begin the step. Nothing is submitted.
    ///
    /// # Errors
    /// As [`Plan::encode`]; [`Error::Unsupported`] if one dispatch does several of the ops: a plan with
    /// [`Fusion::Never`](super::Fusion::Never) does not.
    pub fn encode_ops(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        ops: Range<usize>,
    ) -> Result<()> {
        self.gpu.check_alive()?;
        let parts = [ops.start, ops.end.min(self.program.ops().len())];
        if parts.into_iter().any(|op| self.inside.contains(&op)) {
            let message = "a dispatch does ops of both parts; choose Fusion::Never";
            return Err(Error::unsupported("encode_ops", message));
        }
        if ops.start == 0 {
            self.steps.record(encoder, 1)?;
        }
        let mark = |op: usize| self.marks.get(op).copied().unwrap_or(self.dispatches.len());
        self.pass(encoder, 1, mark(ops.start)..mark(ops.end));
        Ok(())
    }

    fn pass(&self, encoder: &mut wgpu::CommandEncoder, steps: u64, range: Range<usize>) {
        let descriptor =
            wgpu::ComputePassDescriptor { label: Some("wgrad steps"), timestamp_writes: None };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        for _ in 0..steps {
            for dispatch in self.dispatches.get(range.clone()).unwrap_or_default() {
                pass.set_pipeline(&dispatch.pipeline.pipeline);
                pass.set_bind_group(0, &dispatch.bind_group, &[]);
                let [x, y] = dispatch.grid;
                pass.dispatch_workgroups(x, y, 1);
            }
        }
    }

    /// Records and submits `steps` steps. Waits only if too many earlier runs are still under way.
    ///
    /// # Errors
    /// As [`Plan::encode`], and whatever the device raises on submission.
    pub fn run(&mut self, steps: u64) -> Result<()> {
        if self.steps.is_full() {
            self.gpu.wait(self.program.name(), None)?;
        }
        let mut encoder = self.gpu.encoder("wgrad run");
        self.encode(&mut encoder, steps)?;
        self.gpu.submit(self.program.name(), encoder)?;
        Ok(())
    }

    /// Where a slot is, if it has memory of its own.
    pub fn region(&self, slot: Slot) -> Option<&Region> {
        let root = self.program.slot(slot).ok()?.root(slot);
        self.slots.get(root.0)?.as_ref()
    }

    fn own(&self, slot: Slot) -> Result<(&Region, usize)> {
        let len = self.program.shape(slot)?.len();
        let region = self.region(slot);
        let missing = || {
            Error::Internal(format!(
                "slot {} of '{}' lies in the arena",
                slot.0,
                self.program.name()
            ))
        };
        Ok((region.ok_or_else(missing)?, len))
    }

    /// Writes numbers to the start of a slot and submits the copy.
    ///
    /// # Errors
    /// [`Error::Shape`] for more values than the slot holds, and whatever the device raises.
    pub fn write(&self, slot: Slot, data: &[f32]) -> Result<()> {
        self.write_words(slot, DType::F32, bytemuck::cast_slice(data))
    }

    /// Writes indices to the start of a slot and submits the copy.
    ///
    /// # Errors
    /// As [`Plan::write`].
    pub fn write_indices(&self, slot: Slot, data: &[u32]) -> Result<()> {
        self.write_words(slot, DType::U32, data)
    }

    fn write_words(&self, slot: Slot, dtype: DType, words: &[u32]) -> Result<()> {
        let info = self.program.slot(slot)?;
        let (region, len) = self.own(slot)?;
        if words.len() > len || info.dtype != dtype {
            let message = format!(
                "{} {dtype:?} for '{}', {:?} {}",
                words.len(),
                info.name,
                info.dtype,
                info.shape
            );
            return Err(Error::shape("write", message));
        }
        self.gpu.upload(&info.name, region, words)
    }

    /// Reads a slot after everything submitted so far.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::Timeout`].
    pub async fn read(&self, slot: Slot) -> Result<Vec<f32>> {
        let (region, len) = self.own(slot)?;
        let name = &self.program.slot(slot)?.name;
        self.gpu.read_numbers(name, region, len).await
    }

    /// Reads the figures recorded by the given steps, one row each, and notes that these steps are done.
    ///
    /// # Errors
    /// [`Error::Limit`] if they are more than the ring holds or no longer in it; [`Error::DeviceLost`] and
    /// [`Error::Timeout`]; [`Error::Internal`] if the device's step counter has not come that far.
    pub async fn records(&mut self, steps: Range<u64>) -> Result<Vec<[f32; Op::MAX_RECORDED]>> {
        let behind = self.steps.next.saturating_sub(steps.start);
        if behind > RING {
            let what = format!("the figures of step {}", steps.start);
            return Err(Error::Limit { what, needed: behind, limit: RING, unit: "steps back" });
        }
        let done = self.gpu.read_words("step counter", &self.steps.region, 3).await?;
        let wanted = steps.end as u32;
        if done.first().is_none_or(|done| wanted.wrapping_sub(*done) as i32 > 0) {
            let message = format!(
                "the device has done {:?} steps, not {wanted}; was a recording not submitted?",
                done.first()
            );
            return Err(Error::Internal(message));
        }
        let words =
            self.gpu.read_numbers("metrics", &self.ring, RING as usize * Op::MAX_RECORDED).await?;
        self.steps.confirm(steps.end, done.get(2).copied().unwrap_or(0));
        let rows: Vec<&[f32]> = words.chunks(Op::MAX_RECORDED).collect();
        let row =
            |step: u64| rows.get((step % RING) as usize).and_then(|row| (*row).try_into().ok());
        Ok(steps.filter_map(row).collect())
    }

    /// The dispatches of a step as text: kernel, grid, bytes, flops.
    pub fn explain(&self) -> String {
        let mut text =
            format!("{}: {} dispatches per step\n", self.program.name(), self.dispatches.len());
        for dispatch in &self.dispatches {
            let [x, y] = dispatch.grid;
            let Dispatch { label, bytes, flops, .. } = dispatch;
            // Writing to a string does not fail.
            let _ =
                writeln!(text, "  {label:<44} grid {x:>5} x {y:<3} {bytes:>10} B {flops:>12} flop");
        }
        text
    }

    /// Whether the program counts steps, that is, ends with [`Op::Record`].
    pub fn is_counting(&self) -> bool {
        self.counting
    }
}

/// How far apart the uniform parameters of two jobs lie.
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
    let words = Region {
        buffer: uniforms.ok_or_else(|| Error::Internal("no parameters".into()))?.buffer.clone(),
        offset,
        bytes: job.words.len() as u64 * 4,
    };
    let entries: Vec<wgpu::BindGroupEntry<'_>> = std::iter::once(&words)
        .chain(&job.bindings)
        .zip(0..)
        .map(|(region, binding)| wgpu::BindGroupEntry { binding, resource: region.binding() })
        .collect();
    let label = format!("wgrad {}", job.kernel.label);
    let descriptor = wgpu::BindGroupDescriptor {
        label: Some(&label),
        layout: &pipeline.layout,
        entries: &entries,
    };
    let bind_group =
        gpu.scoped(&job.kernel.label, || gpu.device().create_bind_group(&descriptor))?;
    let grid =
        grid(job.groups, gpu.limits().max_compute_workgroups_per_dimension, &job.kernel.label)?;
    let bytes = job.bindings.iter().map(|region| region.bytes).sum();
    Ok(Dispatch {
        pipeline,
        bind_group,
        label: job.kernel.label.clone(),
        grid,
        bytes,
        flops: job.flops,
    })
}

/// Folds a row of workgroups into as many equal rows as the device's limit asks for.
fn grid(groups: u64, limit: u32, label: &str) -> Result<[u32; 2]> {
    let most = u64::from(limit);
    let rows = groups.div_ceil(most);
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
    }
}
