//! Adding arithmetic and reductions.

use super::arrange::axis;
use super::{DType, Form, Product, Program, Slot, TensorOp};
use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::spec::{Arithmetic, Reduce};
use crate::walk::{Strides, Walk};

impl Program {
    /// `f(a, b)`, element by element, both repeated to their common shape by the rules of NumPy.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes have no common one; [`Error::Unsupported`] for indices.
    pub fn arithmetic(&mut self, name: &str, f: Arithmetic, a: Slot, b: Slot) -> Result<Slot> {
        self.scaled(name, f, 1.0, a, b)
    }

    /// `alpha x + y`, repeated as in [`Program::arithmetic`].
    ///
    /// # Errors
    /// As [`Program::arithmetic`].
    pub fn axpy(&mut self, name: &str, alpha: f64, x: Slot, y: Slot) -> Result<Slot> {
        self.scaled(name, Arithmetic::Add, alpha, x, y)
    }

    fn scaled(&mut self, name: &str, f: Arithmetic, alpha: f64, a: Slot, b: Slot) -> Result<Slot> {
        let shape = self.common(f.name(), a, b)?;
        let out = self.value(name, shape);
        let walk = self.walk_to(shape, [a, b])?;
        self.push_tensor(TensorOp::Arithmetic { f, alpha, a, b, out, walk });
        Ok(out)
    }

    /// dL/da and dL/db of [`Program::arithmetic`] from dL/d(out).
    ///
    /// # Errors
    /// [`Error::Shape`] if `grad_out` has not the shape of the result; otherwise as [`Program::arithmetic`].
    pub fn arithmetic_backward(
        &mut self,
        name: &str,
        f: Arithmetic,
        (a, b): (Slot, Slot),
        grad_out: Slot,
    ) -> Result<[Slot; 2]> {
        let common = self.common(f.name(), a, b)?;
        self.check_shape(&format!("{}.backward", f.name()), grad_out, common)?;
        let grads = match f {
            Arithmetic::Add => [grad_out, grad_out],
            Arithmetic::Sub => [grad_out, self.scale(name, grad_out, -1.0)?],
            Arithmetic::Mul => [
                self.arithmetic(name, Arithmetic::Mul, grad_out, b)?,
                self.arithmetic(name, Arithmetic::Mul, grad_out, a)?,
            ],
            Arithmetic::Div => {
                // d(a / b)/db = -(a / b) / b: neither b^2 nor 1 / b overflows on the way.
                let by_a = self.arithmetic(name, Arithmetic::Div, grad_out, b)?;
                let quotient = self.scaled(name, Arithmetic::Div, -1.0, a, b)?;
                [by_a, self.arithmetic(name, Arithmetic::Mul, by_a, quotient)?]
            }
        };
        let shapes = [self.shape(a)?, self.shape(b)?];
        let [by_a, by_b] = grads;
        Ok([self.sum_to(name, by_a, shapes[0])?, self.sum_to(name, by_b, shapes[1])?])
    }

    /// dL/da and dL/db of [`Program::matmul`] from dL/d(product); what was broadcast takes the sum.
    ///
    /// # Errors
    /// [`Error::Shape`] if `grad_out` has not the shape of the product; otherwise as [`Program::matmul`].
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
        let (by_a, by_b) = match form {
            Form::NN => ((grad_out, b, Form::NT), (a, grad_out, Form::TN)),
            Form::NT => ((grad_out, b, Form::NN), (grad_out, a, Form::TN)),
            Form::TN => ((b, grad_out, Form::NT), (a, grad_out, Form::NN)),
        };
        let by_a = self.matmul(name, by_a.0, by_a.1, by_a.2)?;
        let by_b = self.matmul(name, by_b.0, by_b.1, by_b.2)?;
        Ok([self.sum_to(name, by_a, left)?, self.sum_to(name, by_b, right)?])
    }

    /// The sum of the products of all elements: one number.
    ///
    /// # Errors
    /// As [`Program::arithmetic`].
    pub fn dot(&mut self, name: &str, a: Slot, b: Slot) -> Result<Slot> {
        let products = self.arithmetic(name, Arithmetic::Mul, a, b)?;
        self.reduce(name, Reduce::Sum, products, &[])
    }

    /// The reduction of `x` along the axes `dims`, which the result does not have; along all of them if `dims` is
    /// empty. An axis counts from the last one if negative.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or it is named twice; [`Error::Empty`] if nothing has no result;
    /// [`Error::Unsupported`] for indices, and for `argmax` and `argmin` along axes that do not lie side by side.
    pub fn reduce(&mut self, name: &str, f: Reduce, x: Slot, dims: &[isize]) -> Result<Slot> {
        let op = format!("reduce.{}", f.name());
        let shape = self.numbers(&op, x)?.shape;
        let dims = axes(&op, shape, dims)?;
        let count: usize = dims.iter().filter_map(|&dim| shape.axis(dim)).product();
        if count == 0 && !f.takes_nothing() {
            let message = format!("axes {dims:?} of a tensor of shape {shape} hold nothing");
            return Err(Error::empty(op, message));
        }
        let (mut f, scale) = match f {
            Reduce::Mean => (Reduce::Sum, 1.0 / count as f64),
            other => (other, 1.0),
        };
        let runs = runs(&dims);
        if runs.len() > 1 && f.over_parts().is_none() {
            let message =
                format!("axes {dims:?} of a tensor of shape {shape} do not lie side by side");
            return Err(Error::unsupported(op, message));
        }
        if runs.is_empty() {
            // A single number without axes, or one reduced along none.
            return self.reduce_run(name, f, x, [1; 3], shape, scale);
        }
        let mut extents = shape.to_vec();
        let mut current = x;
        for (number, (first, last)) in runs.iter().enumerate().rev() {
            let product = |part: &[usize]| part.iter().product::<usize>();
            let (outer, rest) = extents.split_at(*first);
            let (along, inner) = rest.split_at(last + 1 - first);
            let split = [product(outer), product(along), product(inner)];
            extents.drain(*first..=*last);
            let scale = if number == 0 { scale } else { 1.0 };
            let shape = Shape::new(&extents)?;
            current = self.reduce_run(name, f, current, split, shape, scale)?;
            f = f.over_parts().unwrap_or(f);
        }
        Ok(current)
    }

    fn reduce_run(
        &mut self,
        name: &str,
        f: Reduce,
        x: Slot,
        split: [usize; 3],
        shape: Shape,
        scale: f64,
    ) -> Result<Slot> {
        let out = if f.gives_indices() {
            self.add(name, shape, DType::U32, super::Place::Value)
        } else {
            self.value(name, shape)
        };
        self.push_tensor(TensorOp::Reduce { f, x, out, split, scale });
        Ok(out)
    }

    /// dL/dx of [`Program::reduce`] from its input, its result and dL/d(result).
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a reduction without gradient; [`Error::Shape`] if `y` or `grad_out` has not the shape
    /// of the result; otherwise as [`Program::reduce`].
    pub fn reduce_backward(
        &mut self,
        name: &str,
        f: Reduce,
        (x, y): (Slot, Slot),
        grad_out: Slot,
        dims: &[isize],
    ) -> Result<Slot> {
        f.check_gradient()?;
        let op = format!("reduce.{}.backward", f.name());
        let shape = self.numbers(&op, x)?.shape;
        let reduced = axes(&op, shape, dims)?;
        let kept = |axis: &usize| !reduced.contains(axis);
        let extent = |axis: usize| shape.axis(axis).unwrap_or(1);
        let result: Vec<usize> = (0..shape.rank()).filter(kept).map(extent).collect();
        let ones: Vec<usize> =
            (0..shape.rank()).map(|axis| if kept(&axis) { extent(axis) } else { 1 }).collect();
        let (result, ones) = (Shape::new(&result)?, Shape::new(&ones)?);
        self.check_shape(&op, grad_out, result)?;
        self.check_shape(&op, y, result)?;
        let (wide, y) = (self.reshape(name, grad_out, ones)?, self.reshape(name, y, ones)?);
        let count: usize = reduced.iter().map(|&axis| extent(axis)).product();
        match f {
            Reduce::Sum => self.repeated(&op, name, wide, shape, 1.0),
            Reduce::Mean => self.repeated(&op, name, wide, shape, 1.0 / count.max(1) as f64),
            Reduce::Amax | Reduce::Amin | Reduce::MaxNorm => {
                let one = self.fill(name, ones, 1.0);
                let marks = self.pull(name, f, (x, y), one)?;
                let reduced: Vec<isize> = reduced.iter().map(|&axis| axis as isize).collect();
                let equals = self.reduce(name, Reduce::L1Norm, marks, &reduced)?;
                let share = self.arithmetic(name, Arithmetic::Div, grad_out, equals)?;
                // Where nothing is marked the share is no number, and nothing takes it.
                let share = self.reshape(name, share, ones)?;
                self.pull(name, f, (x, y), share)
            }
            _ => self.pull(name, f, (x, y), wide),
        }
    }

    /// The gradient of each element by itself; `y` and `grad_out` repeat to the shape of `x`.
    fn pull(
        &mut self,
        name: &str,
        f: Reduce,
        (x, y): (Slot, Slot),
        grad_out: Slot,
    ) -> Result<Slot> {
        let shape = self.shape(x)?;
        let grad_in = self.value(name, shape);
        let walk = self.walk_to(shape, [x, y])?;
        self.push_tensor(TensorOp::ReduceBackward { f, x, y, grad_out, grad_in, walk });
        Ok(grad_in)
    }

    /// Walks two operands, repeated, and a result of `shape`.
    fn walk_to(&self, shape: Shape, operands: [Slot; 2]) -> Result<Walk<3>> {
        let strides = |slot| {
            let strides = Strides::broadcast(self.shape(slot)?, shape);
            strides.ok_or_else(|| Error::Internal(format!("no walk to {shape}")))
        };
        let [a, b] = operands;
        Ok(Walk::new(shape, [strides(a)?, strides(b)?, Strides::of(shape)]))
    }

    /// The shape that two operands repeat to.
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
        let message = format!("the shapes {left} and {right} have no common one to repeat to");
        Err(Error::shape(op, message))
    }
}

/// The axes of these numbers, in order; all of them for none.
fn axes(op: &str, shape: Shape, dims: &[isize]) -> Result<Vec<usize>> {
    if dims.is_empty() {
        return Ok((0..shape.rank()).collect());
    }
    let number = |&dim| Ok(axis(op, shape, dim)?.0);
    let mut axes = dims.iter().map(number).collect::<Result<Vec<usize>>>()?;
    axes.sort_unstable();
    let count = axes.len();
    axes.dedup();
    if axes.len() == count {
        return Ok(axes);
    }
    Err(Error::shape(op, format!("{dims:?} names an axis of {shape} twice")))
}

/// First and last axis of each run of axes that lie side by side.
fn runs(axes: &[usize]) -> Vec<(usize, usize)> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &axis in axes {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == axis => *last = axis,
            _ => runs.push((axis, axis)),
        }
    }
    runs
}
