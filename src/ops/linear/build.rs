//! Program builders for matrix products.

use super::LinearOp;
use crate::error::{Error, Result};
use crate::ir::{Form, Op, Product, Program, Slot};

impl Program {
    /// Adds the matrix product in a new slot: of matrices, and of tensors with leading batch axes, which broadcast.
    ///
    /// # Errors
    /// [`Error::Shape`] if the inner dimensions differ or the batch axes do not broadcast; [`Error::Unsupported`] for
    /// indices.
    pub fn matmul(&mut self, name: &str, a: Slot, b: Slot, form: Form) -> Result<Slot> {
        let [left, right] = [a, b].map(|side| self.numbers("matmul", side));
        let shape = Product::shape(form, left?.shape, right?.shape)?;
        let out = self.value(name, shape);
        self.push(Op::Linear(LinearOp::MatMul { a, b, out, form }));
        Ok(out)
    }

    /// Writes the matrix product to a given slot, as [`Product::into`].
    ///
    /// # Errors
    /// As [`Program::matmul`], also if `out` has another shape.
    #[doc(hidden)]
    pub fn matmul_into(&mut self, a: Slot, b: Slot, form: Form, out: Slot) -> Result<()> {
        let [left, right, product] = [a, b, out].map(|slot| self.numbers("matmul", slot));
        Product::into(form, left?.shape, right?.shape, product?.shape)?;
        self.push(Op::Linear(LinearOp::MatMul { a, b, out, form }));
        Ok(())
    }

    /// Adds dL/da and dL/db of [`Program::matmul`] from dL/d(product), summed over broadcast axes.
    ///
    /// # Errors
    /// [`Error::Shape`] if `grad_out` does not have the shape of the product; otherwise as [`Program::matmul`].
    #[doc(hidden)]
    pub fn matmul_backward(
        &mut self,
        name: &str,
        form: Form,
        (a, b): (Slot, Slot),
        grad_out: Slot,
    ) -> Result<[Slot; 2]> {
        let (left, right) = (self.shape(a)?, self.shape(b)?);
        let op = format!("matmul.{}.backward", form.name());
        self.check_shape(&op, grad_out, Product::shape(form, left, right)?)?;
        let [by_a, by_b] = form.gradients(a, b, grad_out);
        let by_a = self.matmul(name, by_a.0, by_a.1, by_a.2)?;
        let by_b = self.matmul(name, by_b.0, by_b.1, by_b.2)?;
        Ok([self.sum_to(name, by_a, left)?, self.sum_to(name, by_b, right)?])
    }

    /// Adds one row to every row of `out`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the length of the row differs from the number of columns.
    #[doc(hidden)]
    pub fn add_row(&mut self, row: Slot, out: Slot) -> Result<()> {
        self.check_row("add_row", row, out)?;
        self.push(Op::Linear(LinearOp::AddRow { row, out }));
        Ok(())
    }

    /// Writes the sum of the rows of `x` to `out`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the length of `out` differs from the number of columns.
    #[doc(hidden)]
    pub fn sum_rows_into(&mut self, x: Slot, out: Slot) -> Result<()> {
        self.check_row("sum_rows", out, x)?;
        self.push(Op::Linear(LinearOp::SumRows { x, out }));
        Ok(())
    }

    fn check_row(&self, op: &str, row: Slot, matrix: Slot) -> Result<()> {
        let (row, matrix) = (self.numbers(op, row)?.shape, self.numbers(op, matrix)?.shape);
        if row.len() == matrix.cols() {
            return Ok(());
        }
        let message = format!("a row of shape {row} does not fit a matrix of shape {matrix}");
        Err(Error::shapes(op, [row, matrix], message))
    }
}
