//! What ops read and change: tensors, and what all parameters have one of.

use super::slot::Slot;

/// Something that an op reads or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// A tensor.
    Slot(Slot),
    /// All parameters.
    Params,
    /// The gradients of all parameters.
    Grads,
    /// The optimizer's state and that of the gradient transforms.
    States,
    /// The step's entry and the counter that chooses it.
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

/// What an op reads and changes, each in the op's own order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effects {
    /// What it reads and leaves as it is.
    pub reads: Vec<Operand>,
    /// What it makes as a whole, whatever was there.
    pub writes: Vec<Operand>,
    /// What it changes and also reads, or changes in part.
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

    /// What it writes or updates.
    pub fn changed(&self) -> impl Iterator<Item = Operand> {
        self.writes.iter().chain(&self.updates).copied()
    }

    /// What it reads or updates.
    pub fn seen(&self) -> impl Iterator<Item = Operand> {
        self.updates.iter().chain(&self.reads).copied()
    }

    /// Whether it changes an operand.
    pub fn changes(&self, operand: Operand) -> bool {
        self.changed().any(|changed| changed == operand)
    }
}
