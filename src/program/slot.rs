//! Named places for tensors.

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    Alias(Slot),
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
    pub(crate) fn base(&self, own: Slot) -> Slot {
        if let Place::Alias(base) = self.place { base } else { own }
    }
}
