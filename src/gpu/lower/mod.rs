//! Lowering: each op of a program becomes one or a few jobs, a job being a kernel with everything it binds.

mod call;
mod elementwise;
pub(super) mod fusion;
mod joins;
mod overlap;
mod reuse;
mod rows;
mod sum;
mod turns;
mod whole;

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use super::kernel::Kernel;
use super::memory::Region;
use super::{Gpu, View, Weights};
use crate::error::{Error, Result};
use crate::program::{Op, Place, Program, Slot, SlotInfo};
use crate::shape::{PAD, Shape, padded};
pub(crate) use call::Call;
use reuse::Shared;
pub(crate) use rows::ROW;
pub(crate) use sum::{SUM, Total};

/// A dispatch before its pipeline and bind group exist.
#[derive(Debug)]
pub(super) struct Job {
    pub kernel: Kernel,
    pub words: Vec<u32>,
    /// What its bindings bind, but for those that this variant of the kernel lacks.
    pub bindings: Vec<Region>,
    /// How many workgroups.
    pub groups: u64,
    pub flops: u64,
}

/// How many steps the metrics ring holds.
pub(crate) const RING: u64 = super::steps::CAPACITY;

/// The memory of a program, which outlives its lowering.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// Where each slot is; parameters and gradients lie in the arena.
    pub slots: Vec<Option<Region>>,
    /// The figures of a step, one per 256 bytes, so that its last kernel finds them in one place.
    pub scalars: Region,
    /// What a whole step's first dispatch leaves for its last one, which binds it together with the figures.
    pub partial: Region,
    pub ring: Region,
    pub steps: Region,
    /// What passes between ops that one dispatch does has none.
    pub hidden: Vec<Slot>,
    /// The values that lie in the same memory one after the other.
    pub(in crate::gpu) shared: Vec<Shared>,
    /// The slots that lie in buffers of the caller's.
    pub views: HashSet<usize>,
}

/// What lowering works on and what it has made so far.
pub(crate) struct Lowering<'a> {
    pub(crate) gpu: &'a Gpu,
    pub(crate) program: &'a Program,
    pub(in crate::gpu) weights: Option<&'a Weights>,
    pub(crate) memory: Memory,
    pub(in crate::gpu) jobs: Vec<Job>,
    /// How many jobs lie before each op.
    pub(in crate::gpu) marks: Vec<usize>,
    /// The ops that a job does together with the op before.
    pub(in crate::gpu) inside: Vec<usize>,
    /// Where gradients lie in parts until the parameters are updated.
    pub(crate) partials: HashMap<Slot, Region>,
    /// The memory for what passes between the kernels of single ops.
    pub(in crate::gpu) scratch: RefCell<Vec<Region>>,
}

impl Memory {
    /// Gives every slot its memory; `views` puts slots into the caller's buffers.
    pub(in crate::gpu) fn new(
        gpu: &Gpu,
        program: &Program,
        steps: Region,
        views: &[(Slot, View)],
        fused: &fusion::Plan,
    ) -> Result<Self> {
        let (hidden, shared) = (fused.hidden(program), fused.shared(program));
        let views: HashMap<usize, &View> =
            views.iter().map(|(slot, view)| (slot.0, view)).collect();
        let figures = figures(program);
        let (len, partial) = (figures.len().max(1) * PAD, padded(fused.partial()));
        let all = gpu.storage("scalars", len + partial, &[])?;
        let [scalars, partial] = all.split(len as u64 * 4);
        let mut next_scalar = 0;
        let unseen: HashSet<Slot> = hidden.iter().copied().collect();
        // Each piece of memory is made for the first of its values.
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
                (_, None) if figures.contains(&number) => {
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
        let ring = gpu.storage("metrics ring", RING as usize * Op::MAX_RECORDED, &[])?;
        let views = views.into_keys().collect();
        Ok(Self { slots, scalars, partial, ring, steps, hidden, shared, views })
    }
}

impl Memory {
    /// Whether other values lie where this one does.
    pub fn is_shared(&self, slot: Slot) -> bool {
        self.shared.iter().any(|one| one.slots.contains(&slot))
    }

    /// How many bytes the slots have that lie neither in an arena, nor among the figures, nor in a buffer of the caller's.
    pub fn values(&self) -> u64 {
        let after = self.shared.iter().flat_map(|one| one.slots.iter().skip(1));
        let counted: HashSet<usize> = after.map(|slot| slot.0).collect();
        let own = self.slots.iter().enumerate();
        let own = own.filter(|(slot, _)| !self.views.contains(slot) && !counted.contains(slot));
        let regions = own.filter_map(|(_, region)| region.as_ref());
        let apart = regions.filter(|region| region.buffer != self.scalars.buffer);
        apart.map(|region| region.bytes).sum()
    }
}

/// The slot whose memory a view is: another one, if the slot is that one in another shape.
pub(super) fn viewed(gpu: &Gpu, program: &Program, slot: Slot, view: &View) -> Result<Slot> {
    let info = program.slot(slot)?;
    view.check(gpu, program.name(), &format!("the view of '{}'", info.name))?;
    if (view.shape, view.dtype) != (info.shape, info.dtype) {
        let message = format!(
            "a view of {:?} {} for '{}', {:?} {}",
            view.dtype, view.shape, info.name, info.dtype, info.shape
        );
        return Err(Error::shape(program.name(), message));
    }
    let base = info.base(slot);
    match program.slot(base)?.place {
        Place::Param(_) | Place::Grad(_) => Err(no_memory(program, info)),
        _ => Ok(base),
    }
}

/// Why a slot has no memory of its own.
pub(super) fn no_memory(program: &Program, info: &SlotInfo) -> Error {
    let base = if let Place::Alias(base) = info.place { program.slot(base).ok() } else { None };
    let why = match base.unwrap_or(info).place {
        Place::Param(_) => "lies among the parameters; see Trainer::move_parameters",
        Place::Grad(_) => "lies among the gradients of the parameters",
        _ => "stays within a dispatch that does several ops; choose Fusion::Never",
    };
    Error::unsupported(program.name(), format!("'{}' {why}", info.name))
}

impl<'a> Lowering<'a> {
    /// Nothing lowered yet.
    pub(in crate::gpu) fn new(
        gpu: &'a Gpu,
        program: &'a Program,
        weights: Option<&'a Weights>,
        memory: Memory,
    ) -> Self {
        let (jobs, marks, inside) = (Vec::new(), Vec::new(), Vec::new());
        let (partials, scratch) = (HashMap::new(), RefCell::default());
        Self { gpu, program, weights, memory, jobs, marks, inside, partials, scratch }
    }

    /// Lowers every op.
    pub(in crate::gpu) fn lower(&mut self, plan: &fusion::Plan) -> Result<()> {
        match plan {
            fusion::Plan::Apart => self.joined(&[], None),
            fusion::Plan::Joined { joins, whole } => self.joined(joins, whole.as_deref()),
        }
    }

    pub(crate) fn weights(&self) -> Result<&'a Weights> {
        let message = "it is over parameters; give it their weights";
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

    /// Memory for what passes between the kernels of one op.
    pub(crate) fn scratch(&self, len: usize) -> Result<Region> {
        self.scratch_of(len, &[])
    }

    /// The same with its first contents.
    pub(crate) fn scratch_of(&self, len: usize, contents: &[u32]) -> Result<Region> {
        let region = self.gpu.storage("scratch", len, contents)?;
        self.scratch.borrow_mut().push(region.clone());
        Ok(region)
    }

    /// A call of a kernel that has been given the step's table, if it takes that.
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

/// The numbers that a step records or that its optimizer looks at.
fn figures(program: &Program) -> HashSet<usize> {
    let last = program.ops().iter().filter(|op| op.concludes());
    last.flat_map(Op::inputs).map(|slot| slot.0).collect()
}

/// How many workgroups of `each` elements cover `len`.
pub(crate) fn groups(len: usize, each: usize) -> u64 {
    len.div_ceil(each) as u64
}
