//! A training step, an inference pass or a single op as plain data: ops over named slots.
//!
//! A [`Program`] is the one definition that both engines run: an [`Interpreter`] on the CPU, a [`Plan`] on a GPU. It
//! holds no GPU type and prints as text.

mod build;
mod display;
mod effect;
mod gradient;
mod inputs;
pub(crate) mod op;
mod product;
pub(crate) mod slot;
pub(crate) mod step;
pub(crate) mod transforms;
mod values;
mod weights;

pub use crate::engine::cpu::{Interpreter, InterpreterWeights};
pub use crate::engine::gpu::{Plan, PlanWeights};
pub use crate::shape::Shape;
pub(crate) use effect::{Effects, Operand};
pub(crate) use gradient::Gradients;
pub(crate) use inputs::LinearLoss;
pub use inputs::{LinearInputs, LossInputs, TripletDistances};
pub(crate) use op::{Op, Record};
pub use product::Form;
pub(crate) use product::Product;
pub use slot::{DType, Slot};
pub(crate) use slot::{Place, SlotInfo};
#[doc(hidden)]
pub use step::Refused;
pub(crate) use step::{Averaging, BoxedRule, LiveSteps, MAX_COUNT, StepRule};
pub use step::{StepEntry, Steps};
pub(crate) use transforms::GradientTransforms;
pub(crate) use values::WeightValues;

use crate::error::{Error, Result};
use crate::ops::StepOp;

/// A parameter tensor and the settings of its group.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamInfo {
    /// The name, as in PyTorch: `0.weight`.
    pub name: String,
    /// The shape.
    pub shape: Shape,
    /// The weight of the L1 penalty, sum of |p|.
    pub l1: f64,
    /// The weight of the L2 penalty, sum of p^2.
    pub l2: f64,
    /// The learning-rate multiplier.
    pub multiplier: f64,
    /// True if the optimizer's weight decay applies.
    pub decays: bool,
    /// True if the parameter has a gradient. One without, such as the running statistics of a batch norm, which the
    /// layer itself updates, is left out of all gradient transforms and updates; averages copy it, as
    /// torch.optim.swa_utils.AveragedModel does.
    pub has_gradient: bool,
}

/// The contents of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) enum InputData<'a> {
    F32(&'a [f32]),
    U32(&'a [u32]),
}

/// A list of ops over slots.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    name: String,
    slots: Vec<SlotInfo>,
    ops: Vec<Op>,
    params: Vec<ParamInfo>,
}

impl Program {
    /// The number of bytes of the slots that own their memory.
    pub(crate) fn bytes(&self) -> u64 {
        let own = |slot: &&SlotInfo| matches!(slot.place, Place::Input | Place::Value);
        self.slots.iter().filter(own).map(|slot| slot.shape.len() as u64 * 4).sum()
    }

    /// Returns whether it counts steps, that is, ends with [`StepOp::Record`].
    pub(crate) fn is_counting(&self) -> bool {
        self.ops.iter().any(|op| matches!(op, Op::Step(StepOp::Record { .. })))
    }

    /// The number of elements of the largest slot that owns its memory.
    pub(crate) fn widest(&self) -> usize {
        let own = |slot: &&SlotInfo| matches!(slot.place, Place::Input | Place::Value);
        self.slots.iter().filter(own).map(|slot| slot.shape.len()).max().unwrap_or(0)
    }

    /// Creates an empty program over the given parameters.
    pub fn new(name: impl Into<String>, params: Vec<ParamInfo>) -> Self {
        Self { name: name.into(), slots: Vec::new(), ops: Vec::new(), params }
    }

    /// A copy with only the first `ops` ops.
    #[cfg(test)]
    pub(crate) fn until(&self, ops: usize) -> Self {
        let ops = self.ops.iter().take(ops).cloned().collect();
        Self { ops, ..self.clone() }
    }

    /// The name of the program.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ops, in order.
    #[doc(hidden)]
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The slots, by number.
    pub(crate) fn slots(&self) -> &[SlotInfo] {
        &self.slots
    }

    /// The parameter tensors.
    pub fn params(&self) -> &[ParamInfo] {
        &self.params
    }

    /// The name, shape, type and place of a slot.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a slot of another program, if its number is beyond the slots of this one.
    #[doc(hidden)]
    pub fn slot(&self, slot: Slot) -> Result<&SlotInfo> {
        let foreign = || {
            let (number, count) = (slot.0, self.slots.len());
            let message = format!("slot {number} is of another program; this one has {count}");
            Error::unsupported(&self.name, message)
        };
        self.slots.get(slot.0).ok_or_else(foreign)
    }

    /// The slot whose memory a slot has: the one that it aliases, or itself.
    pub(crate) fn base(&self, slot: Slot) -> Slot {
        self.slots.get(slot.0).map_or(slot, |info| info.base(slot))
    }

    /// Returns whether a value has memory of its own that an op writes completely before any op reads it.
    pub(crate) fn is_written_whole(&self, slot: Slot) -> bool {
        let touches = |op: &&Op| {
            let own = |other: &Slot| self.base(*other) == slot;
            op.inputs().iter().any(own) || op.outputs().iter().any(own)
        };
        let writes = |op: &Op| {
            let reads = op.inputs().iter().any(|other| self.base(*other) == slot);
            !reads && op.effects().writes.contains(&slot.into())
        };
        let is_value = self.slots.get(slot.0).is_some_and(|info| info.place == Place::Value);
        is_value && self.ops.iter().find(touches).is_some_and(writes)
    }

    /// The shape of a slot.
    ///
    /// # Errors
    /// As [`Program::slot`].
    pub fn shape(&self, slot: Slot) -> Result<Shape> {
        Ok(self.slot(slot)?.shape)
    }
}
