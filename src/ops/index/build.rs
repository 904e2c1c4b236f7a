//! Program builders for gathering and scattering by index.

use super::IndexOp;
use crate::error::{Error, Result};
use crate::ir::{DType, Op, Place, Program, Slot};
use crate::shape::Shape;

impl Program {
    /// Adds the rows of `table` at the given indices, as `torch.nn.functional.embedding`: the axes of `index`, then all
    /// but the first of `table`. The row of an index out of range is 0; [`Program::check_classes`] counts those.
    ///
    /// # Errors
    /// [`Error::Shape`] if the table has no axis or the result has more than six; [`Error::Unsupported`] unless `index`
    /// holds indices; [`Error::Limit`] for too many elements.
    pub fn gather_rows(&mut self, name: &str, table: Slot, index: Slot) -> Result<Slot> {
        let op = "gather_rows";
        let shape = self.numbers(op, table)?.shape;
        let (_, row) = row(op, shape)?;
        let extents: Vec<usize> = self.indices(op, index)?.extents().chain(row.extents()).collect();
        let out = self.value(name, Shape::new(&extents)?);
        self.push(Op::Index(IndexOp::GatherRows { table, index, out, cols: row.len() }));
        Ok(out)
    }

    /// Adds the rows of `x` to the rows of `out` at the given indices: the backward of [`Program::gather_rows`] if
    /// `out` is initially 0. Rows with the same index are summed, always in the same order; a row with an index out of
    /// range is skipped.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `x` has the axes of `index`, then those of a row of `out`; otherwise as
    /// [`Program::gather_rows`].
    pub fn scatter_add(&mut self, x: Slot, index: Slot, out: Slot) -> Result<()> {
        let op = "scatter_add";
        let (_, row) = row(op, self.numbers(op, out)?.shape)?;
        let extents: Vec<usize> = self.indices(op, index)?.extents().chain(row.extents()).collect();
        self.check_shape(op, x, Shape::new(&extents)?)?;
        self.push(Op::Index(IndexOp::ScatterAdd { x, index, out, cols: row.len() }));
        Ok(())
    }

    /// Adds dL/d(table) of [`Program::gather_rows`] from dL/dy, for a table of `shape`.
    ///
    /// # Errors
    /// As [`Program::scatter_add`].
    #[doc(hidden)]
    pub fn gather_rows_backward(
        &mut self,
        name: &str,
        shape: Shape,
        index: Slot,
        grad_out: Slot,
    ) -> Result<Slot> {
        let out = self.fill(name, shape, 0.0);
        self.scatter_add(grad_out, index, out)?;
        Ok(out)
    }

    /// Adds the integers of `x` as indices. Anything else (a fraction, a negative number, NaN, 2^24 and more, beyond
    /// which `f32` does not represent every integer) becomes `u32::MAX`, which is out of range for every table.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if `x` holds indices already.
    #[doc(hidden)]
    pub fn to_index(&mut self, name: &str, x: Slot) -> Result<Slot> {
        let shape = self.numbers("to_index", x)?.shape;
        let out = self.add(name, shape, DType::U32, Place::Value);
        self.push(Op::Index(IndexOp::ToIndex { x, out }));
        Ok(out)
    }

    fn indices(&self, op: &str, slot: Slot) -> Result<Shape> {
        let info = self.slot(slot)?;
        if info.dtype == DType::U32 {
            return Ok(info.shape);
        }
        let message = format!("'{}' of shape {} holds numbers, not indices", info.name, info.shape);
        Err(Error::unsupported(op, message))
    }
}

/// The number of rows of a table, and the shape of one.
fn row(op: &str, table: Shape) -> Result<(usize, Shape)> {
    let extents = table.to_vec();
    let (rows, row) = extents
        .split_first()
        .ok_or_else(|| Error::shape(op, "a table has rows; a single number has none"))?;
    Ok((*rows, Shape::new(row)?))
}
