//! Program builders for arithmetic.

use super::ArithmeticOp;
use super::gradient::by_operands;
use crate::error::{Error, Result};
use crate::ir::{Op, Program, Slot};
use crate::shape::Shape;
use crate::spec::{Arithmetic, Reduce};
use crate::walk::{Strides, Walk};

impl Program {
    /// Adds `f(a, b)`, elementwise, both operands broadcast to their common shape by NumPy's rules.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes do not broadcast; [`Error::Unsupported`] for indices.
    pub fn arithmetic(&mut self, name: &str, f: Arithmetic, a: Slot, b: Slot) -> Result<Slot> {
        self.scaled(name, f, 1.0, a, b)
    }

    /// Adds `alpha x + y`, broadcast as in [`Program::arithmetic`].
    ///
    /// # Errors
    /// As [`Program::arithmetic`].
    pub fn axpy(&mut self, name: &str, alpha: f64, x: Slot, y: Slot) -> Result<Slot> {
        self.scaled(name, Arithmetic::Add, alpha, x, y)
    }

    pub(super) fn scaled(
        &mut self,
        name: &str,
        f: Arithmetic,
        alpha: f64,
        a: Slot,
        b: Slot,
    ) -> Result<Slot> {
        let shape = self.common(f.name(), a, b)?;
        let out = self.value(name, shape);
        let walk = self.walk_to(shape, [a, b])?;
        self.push(Op::Arithmetic(ArithmeticOp { f, alpha, a, b, out, walk }));
        Ok(out)
    }

    /// Adds dL/da and dL/db of [`Program::arithmetic`] from dL/d(out).
    ///
    /// # Errors
    /// [`Error::Shape`] if `grad_out` does not have the shape of the result; otherwise as [`Program::arithmetic`].
    #[doc(hidden)]
    pub fn arithmetic_backward(
        &mut self,
        name: &str,
        f: Arithmetic,
        (a, b): (Slot, Slot),
        grad_out: Slot,
    ) -> Result<[Slot; 2]> {
        let common = self.common(f.name(), a, b)?;
        self.check_shape(&format!("{}.backward", f.name()), grad_out, common)?;
        let by = by_operands(self, [name; 2], (f, 1.0), [a, b], grad_out, [true; 2])?;
        let [by_a, by_b] = by.map(|by| by.unwrap_or(grad_out));
        let shapes = [self.shape(a)?, self.shape(b)?];
        Ok([self.sum_to(name, by_a, shapes[0])?, self.sum_to(name, by_b, shapes[1])?])
    }

    /// Adds the dot product: the sum of the products of all elements.
    ///
    /// # Errors
    /// As [`Program::arithmetic`].
    pub fn dot(&mut self, name: &str, a: Slot, b: Slot) -> Result<Slot> {
        let products = self.arithmetic(name, Arithmetic::Mul, a, b)?;
        self.reduce(name, Reduce::Sum, products, &[])
    }

    /// A walk over two operands, broadcast, and a result of `shape`.
    pub(crate) fn walk_to(&self, shape: Shape, operands: [Slot; 2]) -> Result<Walk<3>> {
        let strides = |slot| {
            let strides = Strides::broadcast(self.shape(slot)?, shape);
            strides.ok_or_else(|| Error::Internal(format!("no walk to {shape}")))
        };
        let [a, b] = operands;
        Ok(Walk::new(shape, [strides(a)?, strides(b)?, Strides::of(shape)]))
    }

    /// The common shape that two operands broadcast to.
    fn common(&self, op: &str, a: Slot, b: Slot) -> Result<Shape> {
        let (left, right) = (self.numbers(op, a)?.shape, self.numbers(op, b)?.shape);
        let rank = left.rank().max(right.rank());
        let padded = |shape: Shape| {
            let missing = rank - shape.rank();
            std::iter::repeat_n(1, missing).chain(shape.to_vec())
        };
        let pairs = padded(left).zip(padded(right));
        let extents: Vec<usize> = pairs.map(|(a, b)| if a == 1 { b } else { a }).collect();
        let shape = Shape::new(&extents)?;
        let fits = |own| Strides::broadcast(own, shape).is_some();
        if fits(left) && fits(right) {
            return Ok(shape);
        }
        let message = format!("the shapes {left} and {right} do not broadcast");
        Err(Error::shapes(op, [left, right], message))
    }
}
