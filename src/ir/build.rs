//! Program builders: each method checks shapes and creates the slots that its op writes.

use super::{DType, Op, ParamInfo, Place, Program, Slot, SlotInfo};
use crate::error::{Error, Result};
use crate::shape::Shape;

impl Program {
    pub(crate) fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// Returns the info of a slot; fails unless it holds `f32` values.
    pub(crate) fn numbers(&self, op: &str, slot: Slot) -> Result<SlotInfo> {
        let info = self.slot(slot)?.clone();
        if info.dtype == DType::F32 {
            return Ok(info);
        }
        let message = format!("'{}' of shape {} holds indices, not numbers", info.name, info.shape);
        Err(Error::unsupported(op, message))
    }

    /// Fails unless the slot holds `f32` values of this shape.
    pub(crate) fn check_shape(&self, op: &str, slot: Slot, wanted: Shape) -> Result<()> {
        let info = self.numbers(op, slot)?;
        if info.shape == wanted {
            return Ok(());
        }
        let message = format!("'{}' has the shape {}, not {wanted}", info.name, info.shape);
        Err(Error::shapes(op, [wanted, info.shape], message))
    }

    pub(crate) fn add(&mut self, name: &str, shape: Shape, dtype: DType, place: Place) -> Slot {
        self.slots.push(SlotInfo { name: name.to_string(), shape, dtype, place });
        Slot(self.slots.len() - 1)
    }

    /// Makes a value the gradient of a parameter with as many elements, if it was created after the first `before`
    /// slots. Returns whether it is one now.
    pub(crate) fn place_grad(&mut self, slot: Slot, index: usize, before: usize) -> bool {
        let len = self.params.get(index).map(|param| param.shape.len());
        let base = self.base(slot);
        let info = self.slots.get_mut(base.0).filter(|_| base.0 >= before);
        let info = info.filter(|info| info.place == Place::Value && Some(info.shape.len()) == len);
        info.map(|info| info.place = Place::Grad(index)).is_some()
    }

    pub(crate) fn value(&mut self, name: &str, shape: Shape) -> Slot {
        self.add(name, shape, DType::F32, Place::Value)
    }

    /// Adds a slot that the caller writes.
    pub fn input(&mut self, name: &str, shape: Shape, dtype: DType) -> Slot {
        self.add(name, shape, dtype, Place::Input)
    }

    fn info(&self, index: usize) -> Result<ParamInfo> {
        let missing = || Error::no_such(&self.name, "parameter", index, self.params.len());
        self.params.get(index).cloned().ok_or_else(missing)
    }

    /// Adds a slot for a parameter.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is no such parameter.
    pub fn param(&mut self, index: usize) -> Result<Slot> {
        let ParamInfo { name, shape, .. } = self.info(index)?;
        Ok(self.add(&name, shape, DType::F32, Place::Param(index)))
    }

    /// Adds a slot for a parameter's gradient.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is no such parameter.
    pub fn grad(&mut self, index: usize) -> Result<Slot> {
        let ParamInfo { name, shape, .. } = self.info(index)?;
        Ok(self.add(&format!("d {name}"), shape, DType::F32, Place::Grad(index)))
    }

    pub(crate) fn check_same(&self, op: &str, a: Slot, b: Slot) -> Result<()> {
        let (left, right) = (self.numbers(op, a)?.shape, self.numbers(op, b)?.shape);
        if left == right {
            return Ok(());
        }
        let message = format!("the shapes {left} and {right} differ");
        Err(Error::shapes(op, [left, right], message))
    }
}
