//! A training step, an inference pass or a single op as plain data: ops over named slots.
//!
//! A [`Program`] is the one meaning that both engines obey. It holds no GPU type and prints as text.

mod build;
mod display;
mod effect;
mod gradient;
mod op;
mod slot;
mod step;
mod values;
mod weights;

pub use crate::ops::linear::{Form, MAX_BATCH_AXES, Product};
pub use crate::ops::loss::{LinearInputs, LinearLoss, LossInputs, TripletDistances};
pub use crate::ops::update::GradientTransforms;
pub use effect::{Effects, Operand};
pub(crate) use gradient::Gradients;
pub use op::Op;
pub use slot::{DType, Place, Slot, SlotInfo};
pub use step::{Averaging, LiveSteps, Refused, StepEntry, Steps};
pub(crate) use step::{MAX_COUNT, StepRule};
pub(crate) use values::WeightValues;

use crate::error::{Error, Result};
use crate::ops::StepOp;
use crate::shape::Shape;

/// A parameter tensor and the settings of its group.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamInfo {
    /// Its name, PyTorch's: `0.weight`.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// The weight of the L1 penalty, sum of |p|.
    pub l1: f64,
    /// The weight of the L2 penalty, sum of p^2.
    pub l2: f64,
    /// The learning-rate multiplier.
    pub multiplier: f64,
    /// Whether the optimizer's weight decay applies.
    pub decays: bool,
    /// Whether there is a gradient by it. What has none, as the running statistics of a batch norm, which the layer itself
    /// moves, takes part in nothing that happens to gradients and parameters; averages copy it, as
    /// torch.optim.swa_utils.AveragedModel does.
    pub has_gradient: bool,
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
    /// How many bytes the slots take that have memory of their own.
    pub(crate) fn bytes(&self) -> u64 {
        let own = |slot: &&SlotInfo| matches!(slot.place, Place::Input | Place::Value);
        self.slots.iter().filter(own).map(|slot| slot.shape.len() as u64 * 4).sum()
    }

    /// An empty program over the given parameters.
    pub fn new(name: impl Into<String>, params: Vec<ParamInfo>) -> Self {
        Self { name: name.into(), slots: Vec::new(), ops: Vec::new(), params }
    }

    /// The same with its first ops only.
    #[cfg(test)]
    pub(crate) fn until(&self, ops: usize) -> Self {
        let ops = self.ops.iter().take(ops).cloned().collect();
        Self { ops, ..self.clone() }
    }

    /// What the program is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ops, in order.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The slots, by number.
    pub fn slots(&self) -> &[SlotInfo] {
        &self.slots
    }

    /// The parameter tensors.
    pub fn params(&self) -> &[ParamInfo] {
        &self.params
    }

    /// What a slot is.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a slot of another program, as far as this one has fewer.
    pub fn slot(&self, slot: Slot) -> Result<&SlotInfo> {
        let foreign = || {
            let (number, count) = (slot.0, self.slots.len());
            let message = format!("slot {number} is of another program; this one has {count}");
            Error::unsupported(&self.name, message)
        };
        self.slots.get(slot.0).ok_or_else(foreign)
    }

    /// The shape of a slot.
    ///
    /// # Errors
    /// As [`Program::slot`].
    pub fn shape(&self, slot: Slot) -> Result<Shape> {
        Ok(self.slot(slot)?.shape)
    }

    /// The figures recorded by a step: the slots of the last [`StepOp::Record`].
    pub fn recorded(&self) -> &[Slot] {
        self.ops
            .iter()
            .rev()
            .find_map(|op| match op {
                Op::Step(StepOp::Record { values }) => Some(values.as_slice()),
                _ => None,
            })
            .unwrap_or_default()
    }
}
