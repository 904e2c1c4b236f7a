//! A program lowered for one device: a list of dispatches with pipelines and bind groups.

mod list;
mod memory;
mod profile;
mod slots;
mod warm;

pub use list::Dispatch;
pub(super) use list::List;
pub use memory::MemoryUse;
pub use profile::{Profile, ProfileRow};
pub use warm::{ColdKernel, ColdStart};

use std::fmt::Write as _;
use std::ops::Range;

use super::budget::StepBudget;
use super::lower::{PlanMemory, RING, fusion, no_memory, viewed};
use super::memory::{Region, View};
use super::staging::{Direction, Staging};
use super::steps::StepTable;
use super::{Gpu, PlanWeights};
use crate::error::{Error, Result};
use crate::ir::{InputData, Op, Program, Record, Slot, SlotInfo, StepEntry, StepRule};
use crate::shape::padded;
use crate::trace::{Instrument, span};

/// A program ready to be recorded into command encoders, without any allocation, queue write or decision per step.
///
/// ```no_run
/// # fn host(gpu: &wgrad::embed::Gpu, program: wgrad::Program, encoder: &mut wgpu::CommandEncoder) -> wgrad::Result<()> {
/// use wgrad::ir::{Plan, StepEntry};
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
    memory: PlanMemory,
    steps: StepTable,
    counting: bool,
    /// Staging buffers for uploads in the host's encoders.
    uploads: Staging,
    /// Set by the first recording within a budget.
    pub(super) step_budget: Option<StepBudget>,
    /// The memory of parameters, gradients and state, if any.
    arenas: MemoryUse,
    /// The regions of that memory.
    weights: Vec<Region>,
    /// True if slots are in buffers of the caller.
    has_views: bool,
}

impl Plan {
    /// Lowers a program. `views` places inputs and values in buffers of the caller; `first` is the number of the first
    /// step, and `rule` computes the entry of each step; it is called only for steps that are recorded.
    ///
    /// # Errors
    /// - [`Error::Limit`] if a tensor is larger than the device can bind.
    /// - [`Error::OutOfMemory`].
    /// - [`Error::Shape`] if a view has another shape than its slot.
    /// - [`Error::Unsupported`] if views make one dispatch read and write a buffer; if two views are of the same slot
    ///   (also in two shapes); if a view is of a parameter or its gradient; if a view shares bytes with another view or
    ///   with the parameters and the program writes either; if the weights belong to another program; or if a view or
    ///   the weights are on another device.
    pub fn new(
        gpu: &Gpu,
        program: Program,
        weights: Option<&PlanWeights>,
        views: &[(Slot, View)],
        first: u64,
        rule: impl Fn(u64) -> StepEntry + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::ruled(gpu, program, weights, views, first, Box::new(rule))
    }

    /// As [`Plan::new`], with a rule that distinguishes steps from updates.
    pub(crate) fn ruled(
        gpu: &Gpu,
        program: Program,
        weights: Option<&PlanWeights>,
        views: &[(Slot, View)],
        first: u64,
        rule: Box<dyn StepRule + Send + Sync>,
    ) -> Result<Self> {
        let counting = program.is_counting();
        let steps = StepTable::new(gpu, rule, first, counting)?;
        let views = bases(gpu, &program, views)?;
        weights.map_or(Ok(()), |weights| weights.check(gpu, &program))?;
        let fused = fusion::prepare(gpu, &program, weights, &views)?;
        let memory = PlanMemory::new(gpu, &program, steps.region.clone(), &views, &fused)?;
        let list = List::new(gpu, &program, weights, memory.clone(), &fused)?;
        let (gpu, uploads) = (gpu.clone(), Staging::new(gpu, Direction::Upload));
        let arenas = weights.map(PlanWeights::memory).unwrap_or_default();
        let (weights, has_views) = (regions(weights), !views.is_empty());
        Ok(Self {
            gpu,
            program,
            list,
            memory,
            steps,
            counting,
            uploads,
            step_budget: None,
            arenas,
            weights,
            has_views,
        })
    }

    /// Returns whether a new plan of this program over these weights, without views, would be this one but for its steps.
    pub(crate) fn is_of(
        &self,
        gpu: &Gpu,
        program: &Program,
        weights: Option<&PlanWeights>,
    ) -> bool {
        !self.has_views
            && self.gpu.lowers_as(gpu)
            && self.program == *program
            && self.weights == regions(weights)
    }

    /// Begins anew at step `first` with another rule, as a new plan would, but with what is in its slots; returns false
    /// while a recording has not come back.
    pub(crate) fn restart(
        &mut self,
        first: u64,
        rule: Box<dyn StepRule + Send + Sync>,
    ) -> Result<bool> {
        self.steps.restart(rule, first)
    }

    /// The bytes of its own memory, without that of the weights.
    pub(crate) fn own_bytes(&self) -> u64 {
        self.memory().total() - self.arenas.total()
    }

    /// Builds a plan of the ops that `build` adds to a program over the given tensors, for single ops in the host's
    /// encoder. The slots that `build` returns are placed in `outputs`.
    ///
    /// ```no_run
    /// # fn host(gpu: &wgrad::embed::Gpu, buffer: &wgrad::wgpu::Buffer, encoder: &mut wgrad::wgpu::CommandEncoder) -> wgrad::Result<()> {
    /// use wgrad::embed::View;
    /// use wgrad::ir::Plan;
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
    /// As [`Plan::new`], and any error of `build`.
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
        made.iter().try_for_each(|slot| program.slot(*slot).map(drop))?;
        let views = slots.into_iter().chain(made).zip(inputs.iter().chain(outputs).cloned());
        let views: Vec<(Slot, View)> = views.collect();
        Self::new(gpu, program, None, &views, 0, |_| StepEntry::rows(usize::MAX))
    }

    /// Moves a slot to another buffer from the next recording on, without waiting: only bind groups are created anew.
    /// Earlier recordings keep their buffer.
    ///
    /// # Errors
    /// As [`Plan::new`]; the plan is then unchanged.
    #[doc(hidden)]
    pub fn rebind(&mut self, weights: Option<&PlanWeights>, slot: Slot, view: &View) -> Result<()> {
        let base = viewed(&self.gpu, &self.program, slot, view)?;
        self.has_views = true;
        let mut memory = self.memory.clone();
        let Some(Some(region)) = memory.slots.get_mut(base.0) else {
            return Err(no_memory(&self.program, self.program.slot(slot)?));
        };
        *region = view.region.clone();
        memory.views.insert(base.0);
        self.list = self.listed(&self.program, weights, &memory)?;
        self.memory = memory;
        Ok(())
    }

    /// Switches to another program over the same slots from the next recording on, such as one with another activation.
    /// Memory, step counter and the pipelines that both programs use are kept.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the slots differ; otherwise as [`Plan::new`]. The plan is then unchanged.
    #[doc(hidden)]
    pub fn change(&mut self, weights: Option<&PlanWeights>, program: Program) -> Result<()> {
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

    /// Lowers a program over the same memory, fused if the memory was laid out for fused dispatches.
    fn listed(
        &self,
        program: &Program,
        weights: Option<&PlanWeights>,
        memory: &PlanMemory,
    ) -> Result<List> {
        let nothing = memory.hidden.is_empty() && memory.shared.is_empty();
        let fused = match nothing {
            true => fusion::FusionPlan::Apart,
            false => fusion::prepare(&self.gpu, program, weights, &[])?,
        };
        let same = fused.hidden(program) == memory.hidden
            && fused.shared(program) == memory.shared
            && padded(fused.partial()) as u64 * 4 == memory.partial.bytes;
        if !same {
            let message = "the new program is fused in another way; build a new plan";
            return Err(Error::unsupported("change", message));
        }
        List::new(&self.gpu, program, weights, memory.clone(), &fused)
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The device.
    #[doc(hidden)]
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// The dispatches of one step, in order.
    #[doc(hidden)]
    pub fn dispatches(&self) -> &[Dispatch] {
        &self.list.dispatches
    }

    /// The dispatches of a range of the ops.
    #[cfg_attr(target_family = "wasm", expect(dead_code, reason = "cases are exported natively"))]
    pub(crate) fn dispatches_of(&self, ops: &Range<usize>) -> &[Dispatch] {
        self.list.dispatches.get(self.list.range(ops)).unwrap_or_default()
    }

    /// The first step not yet recorded. Steps whose encoder was dropped do not count.
    pub fn next_step(&self) -> u64 {
        self.steps.next()
    }

    /// The number of skipped updates as of the last [`Plan::records`]: schedules and bias corrections lag by this
    /// number.
    pub(crate) fn skipped_updates(&self) -> u64 {
        self.steps.late()
    }

    /// The largest number of steps that one recording can hold.
    #[doc(hidden)]
    pub fn most_steps(&self) -> u64 {
        self.steps.capacity()
    }

    /// Records `steps` steps into the caller's encoder. Nothing is submitted.
    ///
    /// # Errors
    /// [`Error::Limit`] for more steps than [`Plan::most_steps`], if too many recordings wait to be submitted and
    /// polled, or if one has been waiting for more than [`Plan::most_steps`] steps; [`Error::DeviceLost`].
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

    /// Records a range of the ops of one step; a range that includes the last op ends the step. Nothing is submitted.
    ///
    /// # Errors
    /// As [`Plan::encode`]; [`Error::Unsupported`] if an end of the range lies within ops fused into one dispatch,
    /// which a plan with [`Fusion::Never`](super::Fusion::Never) does not have.
    pub(crate) fn encode_ops(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        ops: Range<usize>,
    ) -> Result<()> {
        self.gpu.check_alive()?;
        let parts = [ops.start, ops.end.min(self.program.ops().len())];
        if parts.into_iter().any(|op| self.list.inside.contains(&op)) {
            let message = "the range splits a fused dispatch; choose Fusion::Never";
            return Err(Error::unsupported("encode_ops", message));
        }
        self.steps.begin(encoder, 1)?;
        self.pass(encoder, 1, self.list.range(&ops), None);
        if ops.end < self.program.ops().len() {
            return Ok(());
        }
        self.steps.end(encoder, 1, &self.memory.ring)
    }

    /// Takes the recorded values (loss and metrics) that have been read back since the last call, oldest first, each
    /// with its step. Never blocks, submits or polls: values arrive while the host submits and polls. At most
    /// [`Plan::most_steps`] are kept.
    ///
    /// # Errors
    /// [`Error::DeviceLost`].
    #[doc(hidden)]
    pub fn try_figures(&mut self) -> Result<Vec<(u64, Record)>> {
        self.gpu.check_alive()?;
        let figures: Vec<(u64, Record)> = self.steps.take_figures()?;
        Ok(figures)
    }

    /// Splits the ops into the shortest runs that can be recorded separately, in order.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Range<usize>> {
        let count = self.program.ops().len();
        let starts = (0..count).filter(|op| !self.list.inside.contains(op));
        let ends = starts.clone().skip(1).chain([count]);
        starts.zip(ends).map(|(start, end)| start..end)
    }

    fn pass(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        steps: u64,
        range: Range<usize>,
        timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
    ) {
        let dispatches = self.list.dispatches.get(range).unwrap_or_default();
        let all = (0..steps).flat_map(|_| dispatches);
        record(encoder, all, timestamp_writes);
    }

    /// Its program and dispatches.
    pub(super) fn into_parts(self) -> (Program, List) {
        (self.program, self.list)
    }

    /// Records and submits `steps` steps. Waits only if too many earlier runs are still in flight.
    ///
    /// # Errors
    /// As [`Plan::encode`], and any error that the device raises on submission.
    pub fn run(&mut self, steps: u64) -> Result<()> {
        self.submit_steps(steps).map(drop)
    }

    fn submit_steps(&mut self, steps: u64) -> Result<wgpu::SubmissionIndex> {
        self.make_room(steps)?;
        let (gpu, name) = (self.gpu.clone(), self.program.name().to_string());
        gpu.submit(&name, |encoder| self.encode(encoder, steps))
    }

    /// Runs `steps` steps, waits for them and returns the values (loss and metrics) that they recorded.
    pub(crate) async fn run_recorded(&mut self, steps: u64) -> Result<Vec<Record>> {
        let from = self.next_step();
        let submission = self.submit_steps(steps)?;
        let (gpu, name) = (self.gpu.clone(), self.program.name().to_string());
        let words = steps as usize * Op::MAX_RECORDED;
        let span = span!("read back", what = name.as_str(), words = words);
        gpu.reached(&name, submission).instrument(span).await?;
        let figures = self.try_figures()?.into_iter().filter(|(step, _)| *step >= from);
        let figures: Vec<Record> = figures.map(|(_, record)| record).collect();
        if figures.len() as u64 == steps {
            return Ok(figures);
        }
        // A browser may tell of the end of the work before that of the read-back.
        self.records(from..from + steps).await
    }

    /// Waits if too many earlier runs are still in flight for `steps` more.
    pub(super) fn make_room(&self, steps: u64) -> Result<()> {
        if self.steps.has_room(steps) {
            return Ok(());
        }
        self.gpu.wait(self.program.name(), None).map(drop)
    }

    /// Records and submits one step on inputs that are copied through the staging ring with it.
    pub(crate) fn run_on(&mut self, inputs: &[(Slot, InputData<'_>)]) -> Result<()> {
        self.make_room(1)?;
        let (gpu, name) = (self.gpu.clone(), self.program.name().to_string());
        let record = |encoder: &mut wgpu::CommandEncoder| {
            for (slot, words) in inputs {
                match words {
                    InputData::F32(data) => self.upload(encoder, *slot, data)?,
                    InputData::U32(data) => self.upload_indices(encoder, *slot, data)?,
                }
            }
            self.encode(encoder, 1)
        };
        gpu.submit(&name, record).map(drop)
    }

    /// The step table, which begins with the step counter.
    pub(crate) fn step_table(&self) -> &Region {
        &self.memory.steps
    }

    /// The row of the metrics ring that a step fills.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn ring_row(&self, step: u64) -> Region {
        let bytes = Op::MAX_RECORDED as u64 * 4;
        let offset = self.memory.ring.offset + step % RING * bytes;
        Region { offset, bytes, ..self.memory.ring.clone() }
    }

    /// Writes the step counter, the number of skipped updates, and whether this step's update is skipped.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn write_progress(&self, [step, late, skips]: [u64; 3]) -> Result<()> {
        let header = [step, self.steps.capacity(), late, skips].map(|word| word as u32);
        self.gpu.upload("step table", &self.memory.steps, &header)
    }

    /// Reads the values (loss and metrics) recorded by the given steps, one row each, and marks these steps as
    /// executed.
    ///
    /// # Errors
    /// [`Error::Limit`] if the steps are more than the ring holds or no longer in it; [`Error::DeviceLost`] and
    /// [`Error::Timeout`]; [`Error::Unsupported`] if the device's step counter has not reached them.
    pub async fn records(&mut self, steps: Range<u64>) -> Result<Vec<Record>> {
        let recorded = self.steps.next();
        if steps.end > recorded {
            let (what, needed) = (format!("the figures up to step {}", steps.end), steps.end);
            return Err(Error::Limit { what, needed, limit: recorded, unit: "recorded steps" });
        }
        let behind = recorded.saturating_sub(steps.start);
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
            return Err(Error::unsupported("records", message));
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

    /// Lists the dispatches of a step as text: kernel, grid, bytes, flops.
    pub fn explain(&self) -> String {
        let mut text = format!(
            "{}: {} dispatches per step\n",
            self.program.name(),
            self.list.dispatches.len()
        );
        for dispatch in &self.list.dispatches {
            let [x, y] = dispatch.grid;
            let Dispatch { label, bytes, flops, .. } = dispatch;
            // Writing to a `String` cannot fail.
            let _ =
                writeln!(text, "  {label:<44} grid {x:>5} x {y:<3} {bytes:>10} B {flops:>12} flop");
        }
        text
    }

    /// Returns whether the program counts steps, that is, ends with [`StepOp::Record`](crate::ops::StepOp::Record).
    pub(crate) fn is_counting(&self) -> bool {
        self.counting
    }
}

/// Records dispatches, one after the other.
pub(super) fn record<'a>(
    encoder: &mut wgpu::CommandEncoder,
    dispatches: impl Iterator<Item = &'a Dispatch>,
    timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
) {
    let descriptor = wgpu::ComputePassDescriptor { label: Some("wgrad steps"), timestamp_writes };
    let mut pass = encoder.begin_compute_pass(&descriptor);
    for dispatch in dispatches {
        pass.set_pipeline(dispatch.pipeline());
        pass.set_bind_group(0, dispatch.bind_group(), &[]);
        let [x, y] = dispatch.grid;
        pass.dispatch_workgroups(x, y, 1);
    }
}

fn regions(weights: Option<&PlanWeights>) -> Vec<Region> {
    weights.map(|weights| weights.regions().cloned().collect()).unwrap_or_default()
}

/// The views by the base slots that own the memory.
fn bases(gpu: &Gpu, program: &Program, views: &[(Slot, View)]) -> Result<Vec<(Slot, View)>> {
    let mut bases: Vec<(Slot, View)> = Vec::with_capacity(views.len());
    for (slot, view) in views {
        let base = viewed(gpu, program, *slot, view)?;
        if bases.iter().any(|(other, _)| *other == base) {
            let message = format!("two views of '{}'", program.slot(base)?.name);
            return Err(Error::unsupported(program.name(), message));
        }
        bases.push((base, view.clone()));
    }
    Ok(bases)
}
