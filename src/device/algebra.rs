//! Arithmetic, linear algebra, reductions, rearrangement, indexing and normalization of tensors.

use std::ops::Range;

use super::Device;
use super::tensor::{Tensor, wrong_count};
use crate::error::{Error, Result};
use crate::ir::{Form, Program, Slot};
use crate::shape::Shape;
use crate::spec::{Arithmetic, Normalization, Reduce};

/// Linear algebra as single ops; [`Device::compute`] runs those of a [`Program`] that have no method here.
///
/// ```
/// use ndarray::array;
/// use wgrad::{Arithmetic, Device, Reduce};
///
/// let device = Device::cpu();
/// let x = device.tensor(&array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
/// let means = device.reduce(Reduce::Mean, &x, &[0])?;
/// let centred = device.arithmetic(Arithmetic::Sub, &x, &means)?;
/// assert_eq!(centred.read()?, array![[-1.5, -1.5, -1.5], [1.5, 1.5, 1.5]].into_dyn());
/// # Ok::<(), wgrad::Error>(())
/// ```
impl Device {
    /// Computes `f(a, b)` elementwise, with both operands broadcast to their common shape by the rules of NumPy.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no common shape; [`Error::Unsupported`] for indices or a tensor of another device.
    pub fn arithmetic(&self, f: Arithmetic, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        self.two(a, b, |program, a, b| program.arithmetic("y", f, a, b))
    }

    /// Computes dL/da and dL/db of [`Device::arithmetic`] from dL/dy.
    ///
    /// # Errors
    /// [`Error::Shape`] if `grad_out` does not have the shape of the result; otherwise as [`Device::arithmetic`].
    #[doc(hidden)]
    pub fn arithmetic_backward(
        &self,
        f: Arithmetic,
        (a, b): (&Tensor, &Tensor),
        grad_out: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        self.gradients((a, b), grad_out, |program, operands, grad_out| {
            program.arithmetic_backward("grad", f, operands, grad_out)
        })
    }

    fn gradients(
        &self,
        (a, b): (&Tensor, &Tensor),
        grad_out: &Tensor,
        build: impl FnOnce(&mut Program, (Slot, Slot), Slot) -> Result<[Slot; 2]>,
    ) -> Result<(Tensor, Tensor)> {
        let mut grads = self.run(&[a, b, grad_out], |program, slots| match slots {
            [a, b, grad_out] => {
                let grads = build(program, (*a, *b), *grad_out)?;
                // A gradient may alias `grad_out`; each result is a separate tensor.
                grads.into_iter().map(|grad| program.copy("grad", grad)).collect()
            }
            _ => Err(wrong_count()),
        })?;
        let by_b = grads.pop().ok_or_else(wrong_count)?;
        Ok((grads.pop().ok_or_else(wrong_count)?, by_b))
    }

    /// Computes dL/da and dL/db of [`Device::matmul`] from dL/d(product), summed over broadcast axes.
    ///
    /// # Errors
    /// [`Error::Shape`] if `grad_out` does not have the shape of the product; otherwise as [`Device::matmul`].
    #[doc(hidden)]
    pub fn matmul_backward(
        &self,
        form: Form,
        (a, b): (&Tensor, &Tensor),
        grad_out: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        self.gradients((a, b), grad_out, |program, operands, grad_out| {
            program.matmul_backward("grad", form, operands, grad_out)
        })
    }

    /// Computes `alpha x + y`, broadcast as in [`Device::arithmetic`].
    ///
    /// # Errors
    /// As [`Device::arithmetic`].
    #[doc(hidden)]
    pub fn axpy(&self, alpha: f64, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        self.two(x, y, |program, x, y| program.axpy("y", alpha, x, y))
    }

    /// Computes `factor x`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for indices or a tensor of another device.
    #[doc(hidden)]
    pub fn scale(&self, x: &Tensor, factor: f64) -> Result<Tensor> {
        self.each(x, |program, x| program.scale("y", x, factor))
    }

    /// Computes the sum of the products of all elements.
    ///
    /// # Errors
    /// As [`Device::arithmetic`].
    #[doc(hidden)]
    pub fn dot(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        self.two(a, b, |program, a, b| program.dot("y", a, b))
    }

    /// Reduces `x` along the axes `dims`, counted from the last one if negative; along all axes if `dims` is empty. The
    /// result does not have those axes.
    ///
    /// # Errors
    /// As [`Program::reduce`]; [`Error::Unsupported`] for a tensor of another device.
    pub fn reduce(&self, f: Reduce, x: &Tensor, dims: &[isize]) -> Result<Tensor> {
        let mut y = self.each(x, |program, x| program.reduce("y", f, x, dims))?;
        if f.gives_indices() {
            // No index exceeds the extent of the reduced axis.
            let extent = match dims {
                [dim] => x.shape().split(*dim).map_or(1, |[_, along, _]| along),
                _ => x.shape().len(),
            };
            y.bound_indices(extent);
        }
        Ok(y)
    }

    /// Computes dL/dx of [`Device::reduce`] from `x` and dL/dy.
    ///
    /// # Errors
    /// As [`Program::reduce_backward`]; [`Error::Unsupported`] for a tensor of another device.
    #[doc(hidden)]
    pub fn reduce_backward(
        &self,
        f: Reduce,
        x: &Tensor,
        grad_out: &Tensor,
        dims: &[isize],
    ) -> Result<Tensor> {
        self.two(x, grad_out, |program, x, grad_out| {
            let y = program.reduce("y", f, x, dims)?;
            program.reduce_backward("grad_in", f, (x, y), grad_out, dims)
        })
    }

    /// Permutes the axes: axis `i` of the result is axis `order[i]` of `x`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `order` names every axis once; otherwise as [`Device::scale`].
    #[doc(hidden)]
    pub fn permute(&self, x: &Tensor, order: &[usize]) -> Result<Tensor> {
        self.each(x, |program, x| program.permute("y", x, order))
    }

    /// Transposes a matrix, or each of the matrices formed by the last two axes.
    ///
    /// # Errors
    /// [`Error::Shape`] for a tensor of fewer than two axes; otherwise as [`Device::scale`].
    #[doc(hidden)]
    pub fn transpose(&self, x: &Tensor) -> Result<Tensor> {
        self.each(x, |program, x| program.transpose("y", x))
    }

    /// Returns the part of `x` whose index along `dim` lies in `range`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis or it does not contain the range; otherwise as [`Device::scale`].
    #[doc(hidden)]
    pub fn slice(&self, x: &Tensor, dim: isize, range: Range<usize>) -> Result<Tensor> {
        self.each(x, |program, x| program.slice("y", x, dim, range))
    }

    /// Computes dL/dx of [`Device::slice`], for an `x` of shape `shape`, from dL/dy.
    ///
    /// # Errors
    /// As [`Device::slice`].
    #[doc(hidden)]
    pub fn slice_backward(
        &self,
        shape: Shape,
        dim: isize,
        range: Range<usize>,
        grad_out: &Tensor,
    ) -> Result<Tensor> {
        self.each(grad_out, |program, g| program.slice_backward("grad_in", shape, dim, range, g))
    }

    /// Concatenates tensors along `dim`. The gradient of each is a [`Device::slice`] of dL/dy.
    ///
    /// # Errors
    /// [`Error::Empty`] without tensors; [`Error::Shape`] if another extent differs; otherwise as [`Device::scale`].
    #[doc(hidden)]
    pub fn concatenate(&self, parts: &[&Tensor], dim: isize) -> Result<Tensor> {
        self.one(parts, |program, slots| program.concatenate("y", slots, dim))
    }

    /// Broadcasts `x` to `shape` by the rules of NumPy; [`Device::sum_to`] computes the gradient.
    ///
    /// # Errors
    /// [`Error::Shape`] if `x` does not broadcast to `shape`; otherwise as [`Device::scale`].
    #[doc(hidden)]
    pub fn broadcast_to(&self, x: &Tensor, shape: Shape) -> Result<Tensor> {
        self.each(x, |program, x| program.broadcast_to("y", x, shape))
    }

    /// Sums `x` over the axes along which [`Device::broadcast_to`] would repeat a tensor of `shape`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `shape` does not broadcast to that of `x`; otherwise as [`Device::scale`].
    #[doc(hidden)]
    pub fn sum_to(&self, x: &Tensor, shape: Shape) -> Result<Tensor> {
        self.each(x, |program, x| {
            let sum = program.sum_to("y", x, shape)?;
            program.copy("y", sum)
        })
    }

    /// Concatenates `times` copies of `x` along `dim`.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no such axis; otherwise as [`Device::scale`].
    #[doc(hidden)]
    pub fn repeat(&self, x: &Tensor, dim: isize, times: usize) -> Result<Tensor> {
        self.each(x, |program, x| program.repeat("y", x, dim, times))
    }

    /// Computes dL/dx of [`Device::repeat`] from dL/dy.
    ///
    /// # Errors
    /// [`Error::Shape`] unless `times` divides the extent of the axis; otherwise as [`Device::scale`].
    #[doc(hidden)]
    pub fn repeat_backward(&self, grad_out: &Tensor, dim: isize, times: usize) -> Result<Tensor> {
        self.each(grad_out, |program, g| {
            let sum = program.repeat_backward("grad_in", g, dim, times)?;
            program.copy("grad_in", sum)
        })
    }

    /// Creates a tensor whose elements are all `value`.
    ///
    /// # Errors
    /// [`Error::Limit`] for more than the device can bind.
    #[doc(hidden)]
    pub fn full(&self, shape: Shape, value: f64) -> Result<Tensor> {
        self.one(&[], |program, _| Ok(program.fill("y", shape, value)))
    }

    /// Gathers the rows of `table` at the given indices, as `torch.nn.functional.embedding`.
    ///
    /// ```
    /// use ndarray::array;
    /// use wgrad::Device;
    ///
    /// let device = Device::cpu();
    /// let table = device.tensor(&array![[1.0, 2.0], [3.0, 4.0]])?;
    /// let rows = device.gather_rows(&table, &device.classes(&[1, 1, 0])?)?;
    /// assert_eq!(rows.read()?, array![[3.0, 4.0], [3.0, 4.0], [1.0, 2.0]].into_dyn());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Target`] for an index outside the table; [`Error::Shape`] and [`Error::Unsupported`] as
    /// [`Program::gather_rows`].
    pub fn gather_rows(&self, table: &Tensor, index: &Tensor) -> Result<Tensor> {
        check_rows("gather_rows", index, table.shape())?;
        self.two(table, index, |program, table, index| program.gather_rows("y", table, index))
    }

    /// Returns `y` with each row of `x` added to the row at its index, in a fixed order. With zeros as `y` it computes
    /// the gradient of [`Device::gather_rows`].
    ///
    /// # Errors
    /// As [`Device::gather_rows`]; [`Error::Shape`] unless `x` has one row per index.
    pub fn scatter_add(&self, y: &Tensor, x: &Tensor, index: &Tensor) -> Result<Tensor> {
        check_rows("scatter_add", index, y.shape())?;
        self.one(&[y, x, index], |program, slots| match slots {
            [y, x, index] => {
                let out = program.copy("y", *y)?;
                program.scatter_add(*x, *index, out)?;
                Ok(out)
            }
            _ => Err(wrong_count()),
        })
    }

    /// Normalizes `x` by its own mean and variance, then multiplies by `weight` and adds `bias`, each with one element
    /// per column.
    ///
    /// # Errors
    /// As [`Program::normalize`]; [`Error::Unsupported`] for a tensor of another device.
    #[doc(hidden)]
    pub fn normalize(
        &self,
        f: Normalization,
        x: &Tensor,
        weight: Option<&Tensor>,
        bias: Option<&Tensor>,
    ) -> Result<Tensor> {
        let inputs: Vec<&Tensor> = [Some(x), weight, bias].into_iter().flatten().collect();
        self.one(&inputs, |program, slots| {
            let mut slots = slots.iter().copied();
            let x = slots.next().ok_or_else(wrong_count)?;
            let weight = weight.and_then(|_| slots.next());
            program.normalize("y", f, x, weight, bias.and_then(|_| slots.next()))
        })
    }

    /// Computes dL/dx, dL/d(weight) and dL/d(bias) of [`Device::normalize`] from dL/dy.
    ///
    /// # Errors
    /// As [`Device::normalize`]; [`Error::Shape`] if `grad_out` does not have the shape of `x`.
    #[doc(hidden)]
    pub fn normalize_backward(
        &self,
        f: Normalization,
        x: &Tensor,
        weight: Option<&Tensor>,
        grad_out: &Tensor,
    ) -> Result<[Tensor; 3]> {
        let inputs: Vec<&Tensor> =
            [Some(x), Some(grad_out), weight].into_iter().flatten().collect();
        let gradients = self.run(&inputs, |program, slots| {
            let (Some(&x), Some(&g)) = (slots.first(), slots.get(1)) else {
                return Err(wrong_count());
            };
            let row = Shape::new(&[program.shape(x)?.cols()])?;
            let [by_weight, by_bias] =
                ["d weight", "d bias"].map(|name| program.fill(name, row, 0.0));
            let operands = (x, slots.get(2).copied());
            let grad_in = program.normalize_backward("dx", f, operands, g, Some(by_weight))?;
            program.sum_rows_into(g, by_bias)?;
            Ok(vec![grad_in, by_weight, by_bias])
        })?;
        gradients.try_into().map_err(|_| wrong_count())
    }

    fn each(
        &self,
        x: &Tensor,
        build: impl FnOnce(&mut Program, Slot) -> Result<Slot>,
    ) -> Result<Tensor> {
        self.one(&[x], |program, slots| match slots {
            [x] => build(program, *x),
            _ => Err(wrong_count()),
        })
    }

    fn two(
        &self,
        a: &Tensor,
        b: &Tensor,
        build: impl FnOnce(&mut Program, Slot, Slot) -> Result<Slot>,
    ) -> Result<Tensor> {
        self.one(&[a, b], |program, slots| match slots {
            [a, b] => build(program, *a, *b),
            _ => Err(wrong_count()),
        })
    }
}

/// Fails for an index outside the rows of a table.
fn check_rows(op: &str, index: &Tensor, table: Shape) -> Result<()> {
    let rows = table.axis(0).unwrap_or(0);
    match index.largest_index() {
        Some(largest) if largest as usize >= rows => {
            let message = format!("indices up to {largest} for a table of shape {table}");
            Err(Error::Target { op: op.to_string(), message })
        }
        _ => Ok(()),
    }
}
