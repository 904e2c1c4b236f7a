//! Recording of a case: its dispatches, and the contents of their buffers before and after.

use std::collections::HashSet;
use std::ops::Range;

use super::{BoundRange, BufferContents, Expected, KernelNames, RecordedCase, RecordedDispatch};
use crate::engine::gpu::kernel::{Access, Kernel};
use crate::engine::gpu::{Dispatch, Fusion, Gpu, Region};
use crate::error::Result;
use crate::ir::{DType, Op, Operand, Place, Slot, StepEntry, WeightValues};
use crate::self_test::{BOUND, Case, Comparison, changes_arenas, names};

/// The words of the step table before its entries.
const HEADER: usize = 4;

/// Records each op of a case, or each whole step if ops are fused: fused dispatches pass on results that no op declares.
pub(super) async fn cases(
    gpu: &Gpu,
    case: &Case,
    names: &mut KernelNames,
) -> Result<Vec<RecordedCase>> {
    let mut recorder = CaseRecorder { both: Comparison::new(gpu, case)?, names };
    let end = case.program.ops().len();
    let runs: Vec<Range<usize>> = match gpu.choices().fusion {
        Fusion::Never => recorder.both.plan.runs().collect(),
        _ => std::iter::once(0..end).collect(),
    };
    let mut cases = Vec::new();
    for step in 0..case.steps {
        let entry = case.rule.entry(step);
        // An empty range at the start fills the step table; one at the end completes the step.
        recorder.encode(0..0)?;
        for run in &runs {
            cases.extend(recorder.run(step, run.clone(), &entry).await?);
        }
        recorder.encode(end..end)?;
    }
    Ok(cases)
}

/// Both engines, of which the device only holds the contents of buffers.
struct CaseRecorder<'a> {
    both: Comparison<'a>,
    names: &'a mut KernelNames,
}

impl CaseRecorder<'_> {
    fn gpu(&self) -> Gpu {
        self.both.plan.gpu().clone()
    }

    fn encode(&mut self, ops: Range<usize>) -> Result<()> {
        self.gpu().submit("export", |encoder| self.both.plan.encode_ops(encoder, ops)).map(drop)
    }

    /// Records some ops, unless nothing is dispatched for them.
    async fn run(
        &mut self,
        step: u64,
        run: Range<usize>,
        entry: &StepEntry,
    ) -> Result<Option<RecordedCase>> {
        let case = self.both.case;
        let ops = case.program.ops().get(run.clone()).unwrap_or_default();
        self.store(ops.iter().flat_map(|op| op.effects().seen().collect::<Vec<_>>()))?;
        let buffers = self.buffers(&run);
        let mut before = Vec::with_capacity(buffers.len());
        for buffer in &buffers {
            before.push(BufferContents::new(&self.read(buffer, buffer.words()).await?));
        }
        let Comparison { interpreter, reference, .. } = &mut self.both;
        interpreter.run_ops(run.clone(), reference, entry)?;
        self.store(changed(ops))?;
        let expected = self.expected(step, ops, &buffers).await?;
        let dispatches = self.dispatches(&run, &buffers, &mut before)?;
        let name = format!("{}, step {step}: {}", case.name, names(ops));
        let recorded = RecordedCase { name, buffers: before, dispatches, expected };
        Ok(Some(recorded).filter(|case| !case.dispatches.is_empty() && !case.expected.is_empty()))
    }

    async fn read(&self, region: &Region, len: usize) -> Result<Vec<u32>> {
        self.gpu().read_words("export", region, len).await
    }

    /// The buffers that the dispatches of some ops bind.
    fn buffers(&self, run: &Range<usize>) -> Vec<Region> {
        let bound = self.both.plan.dispatches_of(run).iter().flat_map(|one| &one.bindings);
        let mut buffers: Vec<Region> = Vec::new();
        for region in bound {
            if number(region, &buffers).is_none() {
                buffers.push(Region::whole(region.buffer.clone()));
            }
        }
        buffers
    }

    /// The dispatches of some ops; each has a buffer with its parameters, which is added to `contents`.
    fn dispatches(
        &mut self,
        run: &Range<usize>,
        buffers: &[Region],
        contents: &mut Vec<BufferContents>,
    ) -> Result<Vec<RecordedDispatch>> {
        let mut recorded = Vec::new();
        for dispatch in self.both.plan.dispatches_of(run) {
            let bytes = dispatch.words.len() as u64 * 4;
            let params = BoundRange { binding: 0, buffer: contents.len(), offset: 0, bytes };
            contents.push(BufferContents::new(&dispatch.words));
            let (kernel, own) = self.names.of(dispatch.kernel())?;
            let ranges = bound(dispatch, buffers).filter(|range| is_used(&own, range.binding));
            let bindings = std::iter::once(params).chain(ranges).collect();
            let grid = dispatch.grid;
            recorded.push(RecordedDispatch { kernel, bindings, grid });
        }
        Ok(recorded)
    }

    /// Copies tensors, weights and progress from the reference to the device, rounded to `f32` on both.
    fn store(&mut self, operands: impl Iterator<Item = Operand>) -> Result<()> {
        for operand in operands {
            if let Operand::Slot(slot) = operand {
                self.store_slot(slot)?;
            }
        }
        let Comparison { weights, reference, plan, interpreter, .. } = &mut self.both;
        let values = WeightValues {
            params: tensors(&mut reference.params),
            states: reference.states.iter_mut().map(|values| tensors(values)).collect(),
            carried: rounded(&mut reference.carried),
        };
        weights.write_values(&values)?;
        weights.write_grads(&tensors(&mut reference.grads))?;
        plan.write_progress(interpreter.progress())
    }

    fn store_slot(&mut self, slot: Slot) -> Result<()> {
        let Comparison { plan, interpreter, case, .. } = &mut self.both;
        let info = case.program.slot(slot)?;
        let base = info.base(slot);
        if plan.region(base).is_none() {
            return Ok(());
        }
        if info.dtype == DType::U32 {
            return plan.write_indices(base, interpreter.read_indices(base)?);
        }
        let mut values = interpreter.read(base)?.to_vec();
        plan.write(base, &rounded(&mut values))?;
        interpreter.write(base, &values)
    }

    /// The contents of everything that some ops change and that their dispatches bind.
    async fn expected(
        &mut self,
        step: u64,
        ops: &[Op],
        buffers: &[Region],
    ) -> Result<Vec<Expected>> {
        let mut expected = Vec::new();
        for (region, len, exact) in self.changed_regions(ops)? {
            let Some(buffer) = number(&region, buffers) else { continue };
            let words = self.read(&region, len).await?;
            let range = if exact { Expected::integers } else { Expected::numbers };
            expected.push(range(buffer, region.offset, words));
        }
        for record in self.both.interpreter.take_records() {
            let row = self.both.plan.ring_row(step);
            let Some(buffer) = number(&row, buffers) else { continue };
            let words = record.into_iter().map(f32::to_bits).collect();
            expected.push(Expected::numbers(buffer, row.offset, words));
        }
        expected.retain(|range| !range.words.is_empty());
        Ok(expected)
    }

    /// The memory that some ops change, with its number of words, and whether these are integers.
    fn changed_regions(&self, ops: &[Op]) -> Result<Vec<(Region, usize, bool)>> {
        let Comparison { plan, weights, case, .. } = &self.both;
        let mut regions = Vec::new();
        let mut in_arena = ops.iter().any(changes_arenas);
        let mut seen = HashSet::new();
        for operand in changed(ops).filter(|operand| seen.insert(*operand)) {
            let Operand::Slot(slot) = operand else { continue };
            let info = case.program.slot(slot)?;
            let base = info.base(slot);
            let place = case.program.slot(base)?.place;
            in_arena |= matches!(place, Place::Param(_) | Place::Grad(_));
            let region = plan.region(base).cloned();
            regions.extend(region.map(|own| (own, info.shape.len(), info.dtype == DType::U32)));
        }
        if seen.contains(&Operand::Step) {
            regions.push((plan.step_table().clone(), HEADER, true));
        }
        if in_arena {
            regions.extend(weights.tensors().map(|(region, len)| (region, len, false)));
        }
        Ok(regions)
    }
}

fn changed(ops: &[Op]) -> impl Iterator<Item = Operand> {
    ops.iter().flat_map(|op| op.effects().changed().collect::<Vec<_>>())
}

/// Rounds values to `f32`, in place and as a copy.
fn rounded(values: &mut [f64]) -> Vec<f32> {
    let narrow: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    values.iter_mut().zip(&narrow).for_each(|(value, narrow)| *value = f64::from(*narrow));
    narrow
}

fn tensors(tensors: &mut [Vec<f64>]) -> Vec<Vec<f32>> {
    tensors.iter_mut().map(|values| rounded(values)).collect()
}

/// The number of the buffer that a region is in.
fn number(region: &Region, buffers: &[Region]) -> Option<usize> {
    buffers.iter().position(|buffer| buffer.buffer == region.buffer)
}

/// The ranges of a dispatch's storage bindings.
fn bound(dispatch: &Dispatch, buffers: &[Region]) -> impl Iterator<Item = BoundRange> {
    let numbered = (1..).zip(&dispatch.kernel().bindings);
    let present = numbered.filter(|(_, binding)| binding.access != Access::Absent);
    present.zip(&dispatch.bindings).filter_map(|((binding, _), region)| {
        let (buffer, offset, bytes) = (number(region, buffers)?, region.offset, region.bytes);
        Some(BoundRange { binding, buffer, offset, bytes })
    })
}

fn is_used(kernel: &Kernel, binding: u32) -> bool {
    let mut numbered = (1..).zip(&kernel.bindings);
    numbered.any(|(number, own)| number == binding && own.access != Access::Absent)
}

impl BufferContents {
    fn new(words: &[u32]) -> Self {
        const BLOCK: usize = 64;
        let blocks = (0..).step_by(BLOCK).zip(words.chunks(BLOCK));
        let filled = blocks.filter(|(_, block)| block.iter().any(|word| *word != 0));
        let runs = filled.map(|(first, block)| (first, block.to_vec())).collect();
        Self { len: words.len(), runs }
    }
}

impl Expected {
    fn integers(buffer: usize, offset: u64, words: Vec<u32>) -> Self {
        Self { buffer, offset, words, tolerance: [0.0; 2] }
    }

    fn numbers(buffer: usize, offset: u64, words: Vec<u32>) -> Self {
        let sizes = words.iter().map(|word| f64::from(f32::from_bits(*word)).abs());
        let largest =
            sizes.filter(|size| size.is_finite()).fold(f32::MIN_POSITIVE.into(), f64::max);
        let [relative, beside] = BOUND;
        Self { buffer, offset, words, tolerance: [relative, beside * largest] }
    }
}
