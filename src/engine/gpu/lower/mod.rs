//! Lowering: each op of a program becomes one or a few jobs; a job is a kernel with its bindings.

mod call;
mod elementwise;
mod fused_step;
pub(super) mod fusion;
mod joins;
mod overlap;
mod reuse;
mod rows;
mod sum;
mod turns;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::kernel::Kernel;
use super::memory::Region;
use super::{Gpu, PlanWeights, View};
use crate::error::{Error, Result};
use crate::ir::{Op, Place, Program, Slot, SlotInfo};
use crate::shape::{PAD, Shape, padded};
pub(crate) use call::Call;
use reuse::SharedMemory;
pub(crate) use rows::ROW;
pub(crate) use sum::{SUM, Total};

/// A dispatch before its pipeline and bind group exist.
#[derive(Debug)]
pub(super) struct Job {
    pub kernel: Kernel,
    pub words: Vec<u32>,
    /// The bound regions, without those of bindings that this variant of the kernel lacks.
    pub bindings: Vec<Region>,
    /// The number of workgroups.
    pub groups: u64,
    pub flops: u64,
}

/// The number of steps that the metrics ring holds.
pub(crate) const RING: u64 = super::steps::CAPACITY;

/// The memory of a program, which outlives its lowering.
#[derive(Clone, Debug)]
pub(crate) struct PlanMemory {
    /// The region of each slot; parameters and gradients are in the arena.
    pub slots: Vec<Option<Region>>,
    /// The scalars of a step (loss and metrics), one per 256 bytes, so that its last kernel can bind them all at once.
    pub scalars: Region,
    /// Partial results from the first dispatch of a fused step for its last one, which binds them together with the
    /// scalars.
    pub partial: Region,
    pub ring: Region,
    pub steps: Region,
    /// Slots without memory: intermediates within a fused dispatch.
    pub hidden: Vec<Slot>,
    /// Values that occupy the same memory at different times.
    pub(in crate::engine::gpu) shared: Vec<SharedMemory>,
    /// The slots that are in buffers of the caller.
    pub views: HashSet<usize>,
}

/// The input of lowering and its output so far.
pub(crate) struct Lowering<'a> {
    pub(crate) gpu: &'a Gpu,
    pub(crate) program: &'a Program,
    pub(in crate::engine::gpu) weights: Option<&'a PlanWeights>,
    pub(crate) memory: PlanMemory,
    pub(in crate::engine::gpu) jobs: Vec<Job>,
    /// The number of jobs before each op.
    pub(in crate::engine::gpu) marks: Vec<usize>,
    /// The ops that are fused into a job of an earlier op.
    pub(in crate::engine::gpu) inside: Vec<usize>,
    /// Partial gradients that are not summed before the update.
    pub(crate) partials: HashMap<Slot, Region>,
    /// Scratch memory between the kernels of single ops.
    pub(in crate::engine::gpu) scratch: RefCell<Vec<Region>>,
}

impl PlanMemory {
    /// Allocates memory for every slot; `views` places slots in the caller's buffers.
    pub(in crate::engine::gpu) fn new(
        gpu: &Gpu,
        program: &Program,
        steps: Region,
        views: &[(Slot, View)],
        fused: &fusion::FusionPlan,
    ) -> Result<Self> {
        let (hidden, shared) = (fused.hidden(program), fused.shared(program));
        let views: HashMap<usize, &View> =
            views.iter().map(|(slot, view)| (slot.0, view)).collect();
        let recorded = scalar_slots(program);
        let (len, partial) = (recorded.len().max(1) * PAD, padded(fused.partial()));
        let all = gpu.storage("scalars", len + partial, &[])?;
        let [scalars, partial] = all.split(len as u64 * 4);
        let mut next_scalar = 0;
        let unseen: HashSet<Slot> = hidden.iter().copied().collect();
        // Each piece of shared memory is allocated for the first of its values.
        let pieces = (0..).zip(&shared);
        let piece_of: HashMap<usize, (usize, usize)> = pieces
            .flat_map(|(n, one)| one.slots.iter().map(move |slot| (slot.0, (n, one.len))))
            .collect();
        let mut made: HashMap<usize, Region> = HashMap::new();
        let mut slots: Vec<Option<Region>> = Vec::with_capacity(program.slots().len());
        for (number, slot) in program.slots().iter().enumerate() {
            slots.push(match (slot.place, views.get(&number)) {
                (Place::Param(_) | Place::Grad(_) | Place::Alias(_), _) => None,
                _ if unseen.contains(&Slot(number)) => None,
                (_, Some(view)) => Some(view.region.clone()),
                (_, None) if recorded.contains(&number) => {
                    let offset = next_scalar * PAD as u64 * 4;
                    next_scalar += 1;
                    Some(Region { offset, bytes: PAD as u64 * 4, ..scalars.clone() })
                }
                (_, None) => {
                    let piece = piece_of.get(&number);
                    let before = piece.and_then(|(piece, _)| made.get(piece).cloned());
                    let what = format!("'{}' of shape {}", slot.name, slot.shape);
                    let len = piece.map_or(slot.shape.len(), |(_, len)| *len);
                    let region = before.map_or_else(|| gpu.storage(&what, len, &[]), Ok)?;
                    made.extend(piece.map(|(piece, _)| (*piece, region.clone())));
                    Some(region)
                }
            });
        }
        let rows = if program.is_counting() { RING as usize } else { 1 };
        let ring = gpu.storage("metrics ring", rows * Op::MAX_RECORDED, &[])?;
        let views = views.into_keys().collect();
        Ok(Self { slots, scalars, partial, ring, steps, hidden, shared, views })
    }
}

impl PlanMemory {
    /// Returns whether other values use the memory of this one.
    pub(crate) fn is_shared(&self, slot: Slot) -> bool {
        self.shared.iter().any(|one| one.slots.contains(&slot))
    }

    /// The total bytes of the slots that are neither in an arena, nor among the scalars, nor in a buffer of the caller.
    pub(crate) fn values(&self) -> u64 {
        let after = self.shared.iter().flat_map(|one| one.slots.iter().skip(1));
        let counted: HashSet<usize> = after.map(|slot| slot.0).collect();
        let own = self.slots.iter().enumerate();
        let own = own.filter(|(slot, _)| !self.views.contains(slot) && !counted.contains(slot));
        let regions = own.filter_map(|(_, region)| region.as_ref());
        let apart = regions.filter(|region| region.buffer != self.scalars.buffer);
        apart.map(|region| region.bytes).sum()
    }
}

/// Validates a view and returns the base slot, which owns the memory: another slot if `slot` is an alias.
pub(super) fn viewed(gpu: &Gpu, program: &Program, slot: Slot, view: &View) -> Result<Slot> {
    let info = program.slot(slot)?;
    view.check(gpu, program.name(), &format!("the view of '{}'", info.name))?;
    if (view.shape, view.dtype) != (info.shape, info.dtype) {
        let message = format!(
            "a view of {:?} {} for '{}', {:?} {}",
            view.dtype, view.shape, info.name, info.dtype, info.shape
        );
        return Err(Error::shapes(program.name(), [info.shape, view.shape], message));
    }
    let base = info.base(slot);
    match program.slot(base)?.place {
        Place::Param(_) | Place::Grad(_) => Err(no_memory(program, info)),
        _ => Ok(base),
    }
}

/// The error for a slot without memory of its own.
pub(super) fn no_memory(program: &Program, info: &SlotInfo) -> Error {
    let base = if let Place::Alias(base) = info.place { program.slot(base).ok() } else { None };
    let why = match base.unwrap_or(info).place {
        Place::Param(_) => "lies among the parameters; see Trainer::move_parameters",
        Place::Grad(_) => "lies among the gradients of the parameters",
        _ => "is not stored by a fused dispatch; choose Fusion::Never",
    };
    Error::unsupported(program.name(), format!("'{}' {why}", info.name))
}

impl<'a> Lowering<'a> {
    /// Creates a lowering without any jobs yet.
    pub(in crate::engine::gpu) fn new(
        gpu: &'a Gpu,
        program: &'a Program,
        weights: Option<&'a PlanWeights>,
        memory: PlanMemory,
    ) -> Self {
        let (jobs, marks, inside) = (Vec::new(), Vec::new(), Vec::new());
        let (partials, scratch) = (HashMap::new(), RefCell::default());
        Self { gpu, program, weights, memory, jobs, marks, inside, partials, scratch }
    }

    pub(in crate::engine::gpu) fn lower(&mut self, plan: &fusion::FusionPlan) -> Result<()> {
        match plan {
            fusion::FusionPlan::Apart => self.joined(&[], None),
            fusion::FusionPlan::Joined { joins, whole } => self.joined(joins, whole.as_deref()),
        }
    }

    pub(crate) fn weights(&self) -> Result<&'a PlanWeights> {
        let message = "the program has parameters; pass their weights";
        self.weights.ok_or_else(|| Error::unsupported(self.program.name(), message))
    }

    pub(crate) fn shape(&self, slot: Slot) -> Result<Shape> {
        self.program.shape(slot)
    }

    pub(crate) fn region(&self, slot: Slot) -> Result<Region> {
        match self.program.slot(slot)?.place {
            Place::Param(index) => self.weights()?.param(index),
            Place::Grad(index) => self.weights()?.grad(index),
            Place::Input | Place::Value => {
                let region = self.memory.slots.get(slot.0).cloned().flatten();
                region.ok_or_else(|| Error::Internal(format!("slot {} has no memory", slot.0)))
            }
            Place::Alias(base) => self.region(base),
        }
    }

    /// Allocates scratch memory between the kernels of one op.
    pub(crate) fn scratch(&self, len: usize) -> Result<Region> {
        self.scratch_of(len, &[])
    }

    /// Allocates scratch memory with initial contents.
    pub(crate) fn scratch_of(&self, len: usize, contents: &[u32]) -> Result<Region> {
        let region = self.gpu.storage("scratch", len, contents)?;
        self.scratch.borrow_mut().push(region.clone());
        Ok(region)
    }

    /// A call of a kernel, with the step table bound if the kernel takes it.
    pub(crate) fn call(&self, kernel: Kernel) -> Call {
        let call = Call::new(kernel);
        let steps = call.binds("steps").then_some(&self.memory.steps);
        call.bind_some("steps", steps)
    }

    pub(crate) fn push(&mut self, call: Call) -> Result<()> {
        self.jobs.push(call.job()?);
        Ok(())
    }
}

/// The scalars that a step records or that its optimizer reads.
fn scalar_slots(program: &Program) -> HashSet<usize> {
    let last = program.ops().iter().filter(|op| op.concludes());
    last.flat_map(Op::inputs).map(|slot| slot.0).collect()
}

/// The number of workgroups of `each` elements that cover `len`.
pub(crate) fn groups(len: usize, each: usize) -> u64 {
    len.div_ceil(each) as u64
}
