//! Program builders for ops that move elements.

use std::ops::Range;

use super::ArrangeOp;
use crate::error::{Error, Result};
use crate::ir::{DType, Op, Place, Program, Slot};
use crate::shape::{MAX_AXES, Shape};
use crate::spec::Reduce;
use crate::walk::{Strides, Walk};

impl Program {
    /// Adds a view of the same elements in another shape, without a copy: a slot that aliases `x`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of elements differs; [`Error::Unsupported`] for indices.
    pub fn reshape(&mut self, name: &str, x: Slot, shape: Shape) -> Result<Slot> {
        let from = self.numbers("reshape", x)?;
        if from.shape.len() != shape.len() {
            let message = format!(
                "{} has {} elements, {shape} has {}",
                from.shape,
                from.shape.len(),
                shape.len()
            );
            return Err(Error::shapes("reshape", [from.shape, shape], message));
        }
        Ok(self.add(name, shape, DType::F32, Place::Alias(from.base(x))))
    }

    /// Adds a copy.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for indices.
    #[doc(hidden)]
    pub fn copy(&mut self, name: &str, x: Slot) -> Result<Slot> {
        self.scale(name, x, 1.0)
    }

    /// Adds `factor` times every element.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for indices.
    pub fn scale(&mut self, name: &str, x: Slot, factor: f64) -> Result<Slot> {
        let shape = self.numbers("scale", x)?.shape;
        self.arranged(name, x, shape, Strides::of(shape), factor)
    }

    /// Adds a tensor filled with `value`.
    pub fn fill(&mut self, name: &str, shape: Shape, value: f64) -> Slot {
        let out = self.value(name, shape);
        self.push(Op::Arrange(ArrangeOp::Fill { out, value }));
        out
    }

    /// Fills every element of `out` with `value`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for indices.
    pub(crate) fn fill_into(&mut self, out: Slot, value: f64) -> Result<()> {
        self.numbers("fill", out)?;
        self.push(Op::Arrange(ArrangeOp::Fill { out, value }));
        Ok(())
    }

    /// Adds a permutation of the axes: axis `i` of the result is axis `order[i]` of `x`, as `torch.permute`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `order` names every axis once; [`Error::Unsupported`] for indices.
    pub fn permute(&mut self, name: &str, x: Slot, order: &[usize]) -> Result<Slot> {
        let shape = self.numbers("permute", x)?.shape;
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..shape.rank()) {
            let message = format!("{order:?} does not name every axis of {shape} once");
            return Err(Error::shape("permute", message));
        }
        let own = Strides::of(shape);
        let extents: Vec<usize> = order.iter().filter_map(|&axis| shape.axis(axis)).collect();
        let mut steps = [0; MAX_AXES];
        steps.iter_mut().zip(order).for_each(|(place, &axis)| *place = own.step(axis));
        self.arranged(name, x, Shape::new(&extents)?, Strides { start: 0, steps }, 1.0)
    }

    /// Adds the transpose of a matrix, or of the matrices that the last two axes form.
    ///
    /// # Errors
    /// [`Error::Shape`] for a tensor of fewer axes; [`Error::Unsupported`] for indices.
    pub fn transpose(&mut self, name: &str, x: Slot) -> Result<Slot> {
        let shape = self.shape(x)?;
        let Some(last) = shape.rank().checked_sub(2) else {
            let message = format!("a tensor of shape {shape} has no two axes");
            return Err(Error::shape("transpose", message));
        };
        let mut order: Vec<usize> = (0..shape.rank()).collect();
        order.swap(last, last + 1);
        self.permute(name, x, &order)
    }

    /// Adds the part of `x` whose index along `dim` lies in `range`. `dim` counts from the last axis if negative.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or the range exceeds it; [`Error::Unsupported`] for indices.
    pub fn slice(&mut self, name: &str, x: Slot, dim: isize, range: Range<usize>) -> Result<Slot> {
        let shape = self.numbers("slice", x)?.shape;
        let (part, strides) = sliced("slice", shape, dim, &range)?;
        self.arranged(name, x, part, strides, 1.0)
    }

    /// Adds dL/dx of [`Program::slice`] of a tensor of `shape` from dL/dy: 0 outside the range.
    ///
    /// # Errors
    /// [`Error::Shape`] if `grad_out` does not have the shape of the part; otherwise as [`Program::slice`].
    #[doc(hidden)]
    pub fn slice_backward(
        &mut self,
        name: &str,
        shape: Shape,
        dim: isize,
        range: Range<usize>,
        grad_out: Slot,
    ) -> Result<Slot> {
        let (part, strides) = sliced("slice.backward", shape, dim, &range)?;
        self.check_shape("slice.backward", grad_out, part)?;
        let out = self.fill(name, shape, 0.0);
        self.copy_into(grad_out, part, out, strides);
        Ok(out)
    }

    /// Adds the concatenation of tensors along `dim`. The gradient of each is a [`Program::slice`] of dL/dy.
    ///
    /// # Errors
    /// [`Error::Empty`] without tensors; [`Error::Shape`] if there is no such axis or another extent differs;
    /// [`Error::Unsupported`] for indices.
    pub fn concatenate(&mut self, name: &str, parts: &[Slot], dim: isize) -> Result<Slot> {
        let op = "concatenate";
        let shapes = parts
            .iter()
            .map(|part| Ok(self.numbers(op, *part)?.shape))
            .collect::<Result<Vec<_>>>()?;
        let first = shapes.first().ok_or_else(|| Error::empty(op, "there are no tensors"))?;
        let extent = |shape: &Shape| Ok(axis(op, *shape, dim)?.1);
        let lengths = shapes.iter().map(extent).collect::<Result<Vec<usize>>>()?;
        let whole = first.with_axis(dim, lengths.iter().sum())?;
        let out = self.value(name, whole);
        let mut start = 0;
        for ((&part, shape), length) in parts.iter().zip(&shapes).zip(lengths) {
            let (room, strides) = sliced(op, whole, dim, &(start..start + length))?;
            if room != *shape {
                let message = format!("the shapes {first} and {shape} differ outside axis {dim}");
                return Err(Error::shapes(op, [*first, *shape], message));
            }
            self.copy_into(part, room, out, strides);
            start += length;
        }
        Ok(out)
    }

    /// Adds `x` broadcast to `shape` by NumPy's rules: missing axes in front and axes of length 1 repeat.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes are not compatible; [`Error::Unsupported`] for indices.
    pub fn broadcast_to(&mut self, name: &str, x: Slot, shape: Shape) -> Result<Slot> {
        self.repeated("broadcast_to", name, x, shape, 1.0)
    }

    /// As [`Program::broadcast_to`], times `scale`.
    pub(crate) fn repeated(
        &mut self,
        op: &str,
        name: &str,
        x: Slot,
        shape: Shape,
        scale: f64,
    ) -> Result<Slot> {
        let own = self.numbers(op, x)?.shape;
        let strides = Strides::broadcast(own, shape).ok_or_else(|| no_broadcast(op, own, shape))?;
        self.arranged(name, x, shape, strides, scale)
    }

    /// Adds the sum over the elements that [`Program::broadcast_to`] repeated: its backward.
    ///
    /// # Errors
    /// [`Error::Shape`] if `shape` does not broadcast to that of `x`; [`Error::Unsupported`] for indices.
    pub fn sum_to(&mut self, name: &str, x: Slot, shape: Shape) -> Result<Slot> {
        let from = self.numbers("sum_to", x)?.shape;
        if Strides::broadcast(shape, from).is_none() {
            return Err(no_broadcast("sum_to", shape, from));
        }
        let missing = from.rank() - shape.rank();
        let own = std::iter::repeat_n(1, missing).chain(shape.extents());
        let repeated = from.extents().zip(own).enumerate();
        let dims: Vec<isize> = repeated
            .filter(|(axis, (from, own))| *axis < missing || from != own)
            .map(|(axis, _)| axis as isize)
            .collect();
        let sum = if dims.is_empty() { x } else { self.reduce(name, Reduce::Sum, x, &dims)? };
        if self.shape(sum)? == shape { Ok(sum) } else { self.reshape(name, sum, shape) }
    }

    /// Adds `x` repeated `times` times along `dim`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis; [`Error::Limit`] for too many elements; [`Error::Unsupported`] for
    /// indices.
    pub fn repeat(&mut self, name: &str, x: Slot, dim: isize, times: usize) -> Result<Slot> {
        let shape = self.numbers("repeat", x)?.shape;
        let (_, length) = axis("repeat", shape, dim)?;
        let [outer, _, inner] = shape.split(dim).unwrap_or_default();
        let limit = || Error::shape("repeat", format!("{times} times {shape} is too large"));
        let long = length.checked_mul(times).ok_or_else(limit)?;
        let out = self.value(name, shape.with_axis(dim, long)?);
        let seen = Shape::new(&[outer, times, length * inner])?;
        let from = Shape::new(&[outer, 1, length * inner])?;
        let strides = Strides::broadcast(from, seen).ok_or_else(limit)?;
        let walk = Walk::new(seen, [strides, Strides::of(seen)]);
        self.push_copy(x, out, walk, 1.0);
        Ok(out)
    }

    /// Adds dL/dx of [`Program::repeat`] from dL/dy: the sum over the repetitions.
    ///
    /// # Errors
    /// [`Error::Shape`] unless the axis divides into `times` equal parts; otherwise as [`Program::repeat`].
    #[doc(hidden)]
    pub fn repeat_backward(
        &mut self,
        name: &str,
        grad_out: Slot,
        dim: isize,
        times: usize,
    ) -> Result<Slot> {
        let shape = self.numbers("repeat.backward", grad_out)?.shape;
        let (_, long) = axis("repeat.backward", shape, dim)?;
        if times == 0 || long % times != 0 {
            let message = format!("axis {dim} of {shape} is not {times} equal parts");
            return Err(Error::shape("repeat.backward", message));
        }
        let [outer, _, inner] = shape.split(dim).unwrap_or_default();
        let seen = Shape::new(&[outer, times, long / times * inner])?;
        let parts = self.reshape(name, grad_out, seen)?;
        let sum = self.reduce(name, Reduce::Sum, parts, &[1])?;
        self.reshape(name, sum, shape.with_axis(dim, long / times)?)
    }

    /// Adds a new tensor of `shape` with the elements of `x` at `strides`.
    fn arranged(
        &mut self,
        name: &str,
        x: Slot,
        shape: Shape,
        strides: Strides,
        scale: f64,
    ) -> Result<Slot> {
        let out = self.value(name, shape);
        let walk = Walk::new(shape, [strides, Strides::of(shape)]);
        self.push_copy(x, out, walk, scale);
        Ok(out)
    }

    /// Copies elements of `x`, times a factor, to elements of `out`; `walk` pairs them.
    pub(crate) fn push_copy(&mut self, x: Slot, out: Slot, walk: Walk<2>, scale: f64) {
        self.push(Op::Arrange(ArrangeOp::Copy { x, out, walk, scale }));
    }

    /// Copies all of `x` to all of `out`, which has the same shape.
    pub(crate) fn copy_to(&mut self, x: Slot, out: Slot) -> Result<()> {
        let shape = self.shape(out)?;
        self.check_shape("copy", x, shape)?;
        self.copy_into(x, shape, out, Strides::of(shape));
        Ok(())
    }

    /// Copies `range` of the first axis of `x` to all of `out`.
    pub(crate) fn rows_into(&mut self, x: Slot, range: Range<usize>, out: Slot) -> Result<()> {
        let (part, from) = sliced("slice", self.shape(x)?, 0, &range)?;
        let walk = Walk::new(part, [from, Strides::of(part)]);
        self.push_copy(x, out, walk, 1.0);
        Ok(())
    }

    /// Copies all of `x` to `range` of the first axis of `out`.
    pub(crate) fn put_rows(&mut self, x: Slot, out: Slot, range: Range<usize>) -> Result<()> {
        let (part, to) = sliced("slice", self.shape(out)?, 0, &range)?;
        self.copy_into(x, part, out, to);
        Ok(())
    }

    /// Copies all of `x`, of `shape`, to the elements of `out` at `strides`.
    fn copy_into(&mut self, x: Slot, shape: Shape, out: Slot, strides: Strides) {
        let walk = Walk::new(shape, [Strides::of(shape), strides]);
        self.push_copy(x, out, walk, 1.0);
    }
}

fn no_broadcast(op: &str, from: Shape, to: Shape) -> Error {
    let message = format!("a tensor of shape {from} does not broadcast to {to}");
    Error::shapes(op, [from, to], message)
}

/// The index of an axis and its extent.
pub(crate) fn axis(op: &str, shape: Shape, dim: isize) -> Result<(usize, usize)> {
    let number = shape.axis_number(dim);
    let found = number.and_then(|number| Some((number, shape.axis(number)?)));
    found.ok_or_else(|| Error::shape(op, format!("a tensor of shape {shape} has no axis {dim}")))
}

/// The shape of a slice along one axis, and its strides within the whole.
fn sliced(op: &str, shape: Shape, dim: isize, range: &Range<usize>) -> Result<(Shape, Strides)> {
    let (number, extent) = axis(op, shape, dim)?;
    if range.start > range.end || range.end > extent {
        let message = format!("{range:?} exceeds axis {dim} of a tensor of shape {shape}");
        return Err(Error::shape(op, message));
    }
    let own = Strides::of(shape);
    let start = range.start * own.step(number);
    Ok((shape.with_axis(dim, range.len())?, Strides { start, ..own }))
}
