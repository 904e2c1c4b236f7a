//! The operands that ops read and change: tensors, and data that every parameter has.

use super::slot::Slot;

/// An operand that an op reads or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A tensor.
    Slot(Slot),
    /// All parameters.
    Params,
    /// The gradients of all parameters.
    Grads,
    /// The state of the optimizer and of the gradient transforms.
    States,
    /// The step's entry and the counter that selects it.
    Step,
}

impl From<Slot> for Operand {
    fn from(slot: Slot) -> Self {
        Self::Slot(slot)
    }
}

impl Operand {
    pub(super) fn slot(self) -> Option<Slot> {
        if let Self::Slot(slot) = self { Some(slot) } else { None }
    }
}

/// The operands that an op reads and changes, each in the op's own order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// The operands that are only read.
    pub reads: Vec<Operand>,
    /// The operands that are overwritten completely.
    pub writes: Vec<Operand>,
    /// The operands that are read and changed, or changed in part.
    pub updates: Vec<Operand>,
}

impl Effects {
    pub(crate) fn read<T: Into<Operand>>(mut self, operands: impl IntoIterator<Item = T>) -> Self {
        self.reads.extend(operands.into_iter().map(Into::into));
        self
    }

    pub(crate) fn write<T: Into<Operand>>(mut self, operands: impl IntoIterator<Item = T>) -> Self {
        self.writes.extend(operands.into_iter().map(Into::into));
        self
    }

    pub(crate) fn update<T: Into<Operand>>(
        mut self,
        operands: impl IntoIterator<Item = T>,
    ) -> Self {
        self.updates.extend(operands.into_iter().map(Into::into));
        self
    }

    /// The operands that are written or updated.
    pub fn changed(&self) -> impl Iterator<Item = Operand> {
        self.writes.iter().chain(&self.updates).copied()
    }

    /// The operands that are read or updated.
    pub fn seen(&self) -> impl Iterator<Item = Operand> {
        self.updates.iter().chain(&self.reads).copied()
    }

    /// Returns whether an operand is changed.
    pub fn changes(&self, operand: Operand) -> bool {
        self.changed().any(|changed| changed == operand)
    }
}
