//! A program lowered for one device: a list of dispatches with everything bound.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use super::budget::Pace;
use super::kernel::{Access, Pipeline};
use super::lower::{Job, Lowering, Memory, RING, check_view, whole};
use super::memory::{Region, View};
use super::staging::{Staging, Way};
use super::steps::{Figures, StepTable};
use super::{Gpu, Weights};
use crate::error::{Error, Result};
use crate::program::{DType, Op, Program, Slot, SlotInfo, StepEntry};

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
    list: List,
    memory: Memory,
    steps: StepTable,
    counting: bool,
    /// For what the host uploads through its own encoders.
    uploads: Staging,
    /// Once steps were recorded within a budget.
    pub(super) pace: Option<Pace>,
}

/// The dispatches of a step.
#[derive(Debug)]
struct List {
    dispatches: Vec<Dispatch>,
    /// How many dispatches lie before each op.
    marks: Vec<usize>,
    /// The ops that a dispatch does together with the op before.
    inside: Vec<usize>,
    /// Of all buffers that the dispatches bind.
    bytes: u64,
    // Bind groups refer to it.
    _uniforms: Option<Region>,
}

impl List {
    fn new(
        gpu: &Gpu,
        program: &Program,
        weights: Option<&Weights>,
        memory: Memory,
        whole: Option<whole::Plan>,
    ) -> Result<Self> {
        let mut lowering = Lowering::new(gpu, program, weights, memory, whole);
        lowering.lower()?;
        let Lowering { jobs, marks, inside, .. } = lowering;
        let done = |jobs: &[Job]| jobs.iter().filter(|job| job.groups > 0).count();
        let marks = marks.into_iter().map(|mark| done(jobs.get(..mark).unwrap_or(&jobs))).collect();
        // An op without elements has nothing to dispatch.
        let jobs: Vec<Job> = jobs.into_iter().filter(|job| job.groups > 0).collect();
        let uniforms = uniforms(gpu, &jobs)?;
        let mut dispatches = Vec::with_capacity(jobs.len());
        let bound = jobs.iter().flat_map(|job| &job.bindings).map(|region| &region.buffer);
        let bytes = bound.collect::<HashSet<_>>().into_iter().map(wgpu::Buffer::size).sum();
        let mut offset = 0;
        for job in &jobs {
            dispatches.push(bind(gpu, job, uniforms.as_ref(), offset)?);
            offset += stride(gpu, job);
        }
        Ok(Self { dispatches, marks, inside, bytes, _uniforms: uniforms })
    }
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
        let whole = whole::prepare(gpu, &program, weights, views)?;
        let memory = Memory::new(gpu, &program, steps.region.clone(), views, whole.as_ref())?;
        let list = List::new(gpu, &program, weights, memory.clone(), whole)?;
        let (gpu, uploads) = (gpu.clone(), Staging::new(gpu, Way::Up));
        Ok(Self { gpu, program, list, memory, steps, counting, uploads, pace: None })
    }

    /// A plan of the ops that `build` adds to a program over the given tensors, for single ops in a host's encoder: the
    /// slots that `build` gives lie in `outputs`.
    ///
    /// ```no_run
    /// # fn host(gpu: &wgrad::gpu::Gpu, buffer: &wgrad::wgpu::Buffer, encoder: &mut wgrad::wgpu::CommandEncoder) -> wgrad::Result<()> {
    /// use wgrad::gpu::{Plan, View};
    /// use wgrad::{Activation, Shape};
    ///
    /// let x = View::new(buffer, 0, Shape::new(&[64, 3])?)?;
    /// let y = View::new(buffer, 1024, Shape::new(&[64, 3])?)?;
    /// let mut softmax = Plan::over(gpu, &[x], &[], |program, inputs| {
    ///     inputs.iter().map(|x| program.activation("y", Activation::softmax(), *x)).collect()
    /// })?;
    /// softmax.encode(encoder, 1)?; // every frame
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Plan::new`], and what `build` gives.
    pub fn over(
        gpu: &Gpu,
        inputs: &[View],
        outputs: &[View],
        build: impl FnOnce(&mut Program, &[Slot]) -> Result<Vec<Slot>>,
    ) -> Result<Self> {
        let mut program = Program::new("op", Vec::new());
        let slots: Vec<Slot> =
            inputs.iter().map(|view| program.input("input", view.shape, view.dtype)).collect();
        let made = build(&mut program, &slots)?;
        let views = slots.into_iter().chain(made).zip(inputs.iter().chain(outputs).cloned());
        let views: Vec<(Slot, View)> = views.collect();
        Self::new(gpu, program, None, &views, 0, |_| StepEntry::rows(usize::MAX))
    }

    /// Puts a slot into another buffer from the next recording on, without a wait: only bind groups are made anew.
    /// Recordings made before keep the buffer they had.
    ///
    /// # Errors
    /// As [`Plan::new`]; the plan is then unchanged.
    pub fn rebind(&mut self, weights: Option<&Weights>, slot: Slot, view: &View) -> Result<()> {
        let info = self.program.slot(slot)?;
        check_view(&self.program, info, view)?;
        let mut memory = self.memory.clone();
        match memory.slots.get_mut(slot.0) {
            Some(Some(region)) => *region = view.region.clone(),
            _ => {
                let message = format!("'{}' lies in the arena", info.name);
                return Err(Error::unsupported("rebind", message));
            }
        }
        self.list = self.listed(&self.program, weights, &memory)?;
        self.memory = memory;
        Ok(())
    }

    /// Follows another program over the same slots from the next recording on, such as one of another activation: memory,
    /// step counter and the pipelines that stay are kept.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the slots differ; otherwise as [`Plan::new`]. The plan is then unchanged.
    pub fn change(&mut self, weights: Option<&Weights>, program: Program) -> Result<()> {
        let (old, new) = (self.program.slots(), program.slots());
        let same = |(a, b): (&SlotInfo, &SlotInfo)| {
            (a.shape, a.dtype, a.place) == (b.shape, b.dtype, b.place)
        };
        if old.len() != new.len() || !old.iter().zip(new).all(same) {
            let message = "the new program has other slots; build a new plan";
            return Err(Error::unsupported("change", message));
        }
        self.list = self.listed(&program, weights, &self.memory)?;
        self.program = program;
        Ok(())
    }

    /// The dispatches of a program over the same memory, a whole step if that was made for one.
    fn listed(
        &self,
        program: &Program,
        weights: Option<&Weights>,
        memory: &Memory,
    ) -> Result<List> {
        let whole = if memory.whole {
            let whole = whole::prepare(&self.gpu, program, weights, &[])?;
            let message = "the new program is no whole step; build a new plan";
            Some(whole.ok_or_else(|| Error::unsupported("change", message))?)
        } else {
            None
        };
        List::new(&self.gpu, program, weights, memory.clone(), whole)
    }

    /// Records the copy of numbers to the start of a slot, through staging memory of ours that is used again once the host
    /// has submitted and polled.
    ///
    /// # Errors
    /// [`Error::Shape`] for more values than the slot holds; [`Error::Limit`] if too many recordings wait to be submitted.
    pub fn upload(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        slot: Slot,
        data: &[f32],
    ) -> Result<()> {
        self.upload_words(encoder, slot, DType::F32, bytemuck::cast_slice(data))
    }

    /// Records the copy of indices to the start of a slot, as [`Plan::upload`].
    ///
    /// # Errors
    /// As [`Plan::upload`].
    pub fn upload_indices(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        slot: Slot,
        data: &[u32],
    ) -> Result<()> {
        self.upload_words(encoder, slot, DType::U32, data)
    }

    fn upload_words(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        slot: Slot,
        dtype: DType,
        words: &[u32],
    ) -> Result<()> {
        self.gpu.check_alive()?;
        let region = self.writable(slot, dtype, words.len())?.clone();
        let run = [0, region.offset, words.len() as u64];
        self.uploads.upload(encoder, words, &region.buffer, &[run]).map(drop)
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
        &self.list.dispatches
    }

    /// The bytes of all buffers that the dispatches of a step read and write, parameters and scratch memory included.
    pub fn bytes(&self) -> u64 {
        self.list.bytes
    }

    /// The first step not yet recorded. Steps whose encoder was dropped do not count.
    pub fn next_step(&self) -> u64 {
        self.steps.next()
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
    /// polled, or one waits since more than [`Plan::most_steps`] steps; [`Error::DeviceLost`].
    pub fn encode(&mut self, encoder: &mut wgpu::CommandEncoder, steps: u64) -> Result<()> {
        self.encode_timed(encoder, steps, None)
    }

    pub(super) fn encode_timed(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        steps: u64,
        times: Option<wgpu::ComputePassTimestampWrites<'_>>,
    ) -> Result<()> {
        if steps == 0 {
            return Ok(());
        }
        self.gpu.check_alive()?;
        self.steps.begin(encoder, steps)?;
        self.pass(encoder, steps, 0..self.list.dispatches.len(), times);
        self.steps.end(encoder, steps, &self.memory.ring)
    }

    /// Records some ops of one step; those up to the last op end the step. Nothing is submitted.
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
        if parts.into_iter().any(|op| self.list.inside.contains(&op)) {
            let message = "a dispatch does ops of both parts; choose Fusion::Never";
            return Err(Error::unsupported("encode_ops", message));
        }
        self.steps.begin(encoder, 1)?;
        let List { dispatches, marks, .. } = &self.list;
        let mark = |op: usize| marks.get(op).copied().unwrap_or(dispatches.len());
        self.pass(encoder, 1, mark(ops.start)..mark(ops.end), None);
        if ops.end < self.program.ops().len() {
            return Ok(());
        }
        self.steps.end(encoder, 1, &self.memory.ring)
    }

    /// The figures of the steps that have come back since the last call, oldest first, each with its step. Never blocks,
    /// submits or polls: figures come back while the host submits and polls. At most [`Plan::most_steps`] are kept.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    pub fn try_figures(&mut self) -> Result<Vec<(u64, [f32; Op::MAX_RECORDED])>> {
        self.gpu.check_alive()?;
        let figures: Vec<(u64, Figures)> = self.steps.take_figures()?;
        Ok(figures)
    }

    fn pass(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        steps: u64,
        range: Range<usize>,
        timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
    ) {
        let descriptor =
            wgpu::ComputePassDescriptor { label: Some("wgrad steps"), timestamp_writes };
        let mut pass = encoder.begin_compute_pass(&descriptor);
        for _ in 0..steps {
            for dispatch in self.list.dispatches.get(range.clone()).unwrap_or_default() {
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
        if !self.steps.has_room(steps) {
            self.gpu.wait(self.program.name(), None)?;
        }
        let mut encoder = self.gpu.encoder("wgrad run");
        self.encode(&mut encoder, steps)?;
        self.gpu.submit(self.program.name(), encoder)?;
        Ok(())
    }

    /// Where the step counter is.
    pub(super) fn step_table(&self) -> &Region {
        &self.memory.steps
    }

    /// Where a slot is, if it has memory of its own.
    pub fn region(&self, slot: Slot) -> Option<&Region> {
        let root = self.program.slot(slot).ok()?.root(slot);
        self.memory.slots.get(root.0)?.as_ref()
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
        let region = self.writable(slot, dtype, words.len())?;
        self.gpu.upload(&self.program.slot(slot)?.name, region, words)
    }

    /// Where `count` values of a type go.
    fn writable(&self, slot: Slot, dtype: DType, count: usize) -> Result<&Region> {
        let info = self.program.slot(slot)?;
        let (region, len) = self.own(slot)?;
        if count > len || info.dtype != dtype {
            let message =
                format!("{count} {dtype:?} for '{}', {:?} {}", info.name, info.dtype, info.shape);
            return Err(Error::shape("write", message));
        }
        Ok(region)
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
        let behind = self.steps.next().saturating_sub(steps.start);
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
        let words = self
            .gpu
            .read_numbers("metrics", &self.memory.ring, RING as usize * Op::MAX_RECORDED)
            .await?;
        self.steps.confirm(steps.end, done.get(2).copied().unwrap_or(0));
        let rows: Vec<&[f32]> = words.chunks(Op::MAX_RECORDED).collect();
        let row =
            |step: u64| rows.get((step % RING) as usize).and_then(|row| (*row).try_into().ok());
        Ok(steps.filter_map(row).collect())
    }

    /// The dispatches of a step as text: kernel, grid, bytes, flops.
    pub fn explain(&self) -> String {
        let mut text = format!(
            "{}: {} dispatches per step\n",
            self.program.name(),
            self.list.dispatches.len()
        );
        for dispatch in &self.list.dispatches {
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
    let bound = (1..).zip(job.kernel.bindings.iter().zip(&job.bindings));
    let bound = bound.filter(|(_, (binding, _))| binding.access != Access::Absent);
    let entries: Vec<wgpu::BindGroupEntry<'_>> = std::iter::once((0, &words))
        .chain(bound.map(|(number, (_, region))| (number, region)))
        .map(|(binding, region)| wgpu::BindGroupEntry { binding, resource: region.binding() })
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
