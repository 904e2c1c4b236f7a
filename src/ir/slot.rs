//! Slots: the named tensors of a program.

use crate::shape::Shape;

/// A named tensor of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(pub(crate) usize);

/// The element type of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DType {
    /// 32-bit floating point (the CPU reference can also compute in 64 bits).
    F32,
    /// Indices: class targets.
    U32,
}

/// The place of a slot in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// The parameter of this index, shared between programs.
    Param(usize),
    /// The gradient of the parameter of this index, shared between programs.
    Grad(usize),
    /// Memory that the caller writes.
    Input,
    /// Memory that an op writes.
    Value,
    /// The memory of another slot, which is not an alias itself.
    Alias(Slot),
}

/// A slot's name, shape, type and place.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotInfo {
    /// The name; it need not be unique.
    pub name: String,
    pub shape: Shape,
    pub dtype: DType,
    /// The place in memory.
    pub place: Place,
}

impl SlotInfo {
    /// The slot that this one aliases, or `own`, its own slot, if it owns its memory.
    pub(crate) fn base(&self, own: Slot) -> Slot {
        if let Place::Alias(base) = self.place { base } else { own }
    }
}
