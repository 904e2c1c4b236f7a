//! Program builders for reductions.

use super::ReduceOp;
use crate::error::{Error, Result};
use crate::ir::{DType, Op, Place, Program, Slot};
use crate::ops::arrange::axis;
use crate::shape::Shape;
use crate::spec::{Arithmetic, Reduce};

impl Program {
    /// Adds the reduction of `x` along the axes `dims`, which are removed from the result; along all axes if `dims` is
    /// empty. A negative axis counts from the last one.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or it is named twice; [`Error::Empty`] if no elements are reduced and
    /// f has no result for that; [`Error::Unsupported`] for indices, and for `argmax` and `argmin` along axes that are
    /// not adjacent.
    pub fn reduce(&mut self, name: &str, f: Reduce, x: Slot, dims: &[isize]) -> Result<Slot> {
        let op = format!("reduce.{}", f.name());
        let shape = self.numbers(&op, x)?.shape;
        let dims = axes(&op, shape, dims)?;
        let count: usize = dims.iter().filter_map(|&dim| shape.axis(dim)).product();
        if count == 0 && !f.takes_nothing() {
            let message = format!("axes {dims:?} of a tensor of shape {shape} have no elements");
            return Err(Error::empty(op, message));
        }
        let (mut f, scale) = match f {
            Reduce::Mean => (Reduce::Sum, 1.0 / count as f64),
            other => (other, 1.0),
        };
        let runs = runs(&dims);
        if runs.len() > 1 && f.over_parts().is_none() {
            let message =
                format!("axes {dims:?} of a tensor of shape {shape} are not next to each other");
            return Err(Error::unsupported(op, message));
        }
        if runs.is_empty() {
            // A scalar, which has no axis to reduce along.
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
            self.add(name, shape, DType::U32, Place::Value)
        } else {
            self.value(name, shape)
        };
        self.push(Op::Reduce(ReduceOp::Forward { f, x, out, split, scale }));
        Ok(out)
    }

    /// Adds dL/dx of [`Program::reduce`] from its input, its result and dL/d(result).
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a reduction without a gradient; [`Error::Shape`] if `y` or `grad_out` does not have
    /// the shape of the result; otherwise as [`Program::reduce`].
    #[doc(hidden)]
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
                let part = self.arithmetic(name, Arithmetic::Div, grad_out, equals)?;
                // Where nothing is marked the quotient is not finite, but no element receives it.
                let part = self.reshape(name, part, ones)?;
                self.pull(name, f, (x, y), part)
            }
            _ => self.pull(name, f, (x, y), wide),
        }
    }

    /// Adds the gradient of each element by itself; `y` and `grad_out` broadcast to the shape of `x`.
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
        let op = ReduceOp::Backward { f, x, y, grad_out, grad_in, walk };
        self.push(Op::Reduce(op));
        Ok(grad_in)
    }
}

/// The indices of the axes, in order; all axes if `dims` is empty.
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

/// The first and last axis of each run of adjacent axes.
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
