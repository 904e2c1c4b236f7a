//! A training step, an inference pass or a single op as plain data: ops over named slots.
//!
//! A [`Program`] is the one meaning that both engines obey. It holds no GPU type and prints as text.

mod activation;
mod arithmetic;
mod around;
mod arrange;
mod build;
mod display;
mod effect;
mod index;
mod linear_loss;
mod loss;
mod metric;
mod norm;
mod op;
mod orthogonal;
mod product;
mod step;
mod tensor;
mod triplet;
mod values;
mod weights;

pub use around::Around;
pub use effect::{Effects, Operand};
pub(crate) use linear_loss::LinearGoal;
pub use linear_loss::{LinearInputs, LinearLoss};
pub use loss::LossInputs;
pub(crate) use loss::{Layout, has_weighted_mean};
pub use norm::NormOp;
pub use op::{Form, Op};
pub use product::{MAX_BATCH_AXES, Product};
pub use step::{Averaging, LiveSteps, Refused, StepEntry, Steps};
pub(crate) use step::{MAX_COUNT, StepRule};
pub use tensor::TensorOp;
pub use triplet::TripletDistances;
pub(crate) use values::WeightValues;

use crate::error::{Error, Result};
use crate::shape::Shape;

/// A named place for a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub(crate) usize);

/// What a slot's elements are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// 32-bit floating point (the reference also runs it in 64 bits).
    F32,
    /// Indices: class targets.
    U32,
}

/// Where a slot lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The parameter of this index, shared between programs.
    Param(usize),
    /// The gradient of the parameter of this index, shared between programs.
    Grad(usize),
    /// Written by the caller.
    Input,
    /// Written by an op.
    Value,
    /// The place of another slot, which is not of this kind itself.
    Same(Slot),
}

/// A slot's name, shape, type and place.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotInfo {
    /// Its name, unique only by number.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// Its element type.
    pub dtype: DType,
    /// Where it lives.
    pub place: Place,
}

impl SlotInfo {
    /// The slot whose place `own`, which this tells of, has: itself, unless it is another shape of another one.
    pub(crate) fn root(&self, own: Slot) -> Slot {
        if let Place::Same(root) = self.place { root } else { own }
    }
}

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

    /// The figures recorded by a step: the slots of the last [`Op::Record`].
    pub fn recorded(&self) -> &[Slot] {
        self.ops
            .iter()
            .rev()
            .find_map(|op| match op {
                Op::Record { values } => Some(values.as_slice()),
                _ => None,
            })
            .unwrap_or_default()
    }
}
