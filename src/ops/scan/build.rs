//! Program builders for running sums.

use super::ScanOp;
use crate::error::{Error, Result};
use crate::ir::{Op, Program, Slot};

impl Program {
    /// Adds the running sum of `x` along an axis: element i of the result is the sum of elements 0 to i. A negative
    /// axis counts from the last one. As `torch.cumsum`.
    ///
    /// ```
    /// use wgrad::ir::{DType, Program};
    /// use wgrad::Shape;
    ///
    /// let mut program = Program::new("sums", Vec::new());
    /// let x = program.input("x", Shape::new(&[3, 5])?, DType::F32);
    /// let sums = program.cumsum("sums", x, -1)?;
    /// assert_eq!(program.shape(sums)?, Shape::new(&[3, 5])?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis; [`Error::Unsupported`] for indices.
    pub fn cumsum(&mut self, name: &str, x: Slot, dim: isize) -> Result<Slot> {
        self.scan(name, x, dim, false)
    }

    /// Adds the running sum of `x` along an axis from its end: element i of the result is the sum of elements i to the
    /// last. As `jax.lax.cumsum(reverse=True)`.
    ///
    /// # Errors
    /// As [`Program::cumsum`].
    pub fn cumsum_reversed(&mut self, name: &str, x: Slot, dim: isize) -> Result<Slot> {
        self.scan(name, x, dim, true)
    }

    fn scan(&mut self, name: &str, x: Slot, dim: isize, reversed: bool) -> Result<Slot> {
        let shape = self.numbers("cumsum", x)?.shape;
        let missing =
            || Error::shape("cumsum", format!("a tensor of shape {shape} has no axis {dim}"));
        let split = shape.split(dim).ok_or_else(missing)?;
        self.scan_along(name, x, split, reversed)
    }

    /// Adds the running sum along the middle one of three axes.
    pub(super) fn scan_along(
        &mut self,
        name: &str,
        x: Slot,
        split: [usize; 3],
        reversed: bool,
    ) -> Result<Slot> {
        let shape = self.shape(x)?;
        let out = self.value(name, shape);
        self.push(Op::Scan(ScanOp { x, out, split, reversed }));
        Ok(out)
    }
}
