//! The ops over tensors.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

use super::{Interpreter, Weights, activation, loss, norm, tensor};
use crate::error::{Error, Result};
use crate::numeric::count;
use crate::program::{
    DType, Form, Layout, LossInputs, Op, Place, Product, Program, Slot, StepEntry,
};
use crate::random::Key;
use crate::shape::Shape;
use crate::spec::activation::Order;
use crate::spec::{Loss, Real, Reduction};

/// Where a slot's values are while an op runs.
pub(super) struct Memory<'a, F> {
    program: &'a Program,
    values: &'a mut Vec<Vec<F>>,
    weights: &'a mut Weights<F>,
}

impl<F: Real> Memory<'_, F> {
    pub fn place(&mut self, slot: Slot) -> Result<&mut Vec<F>> {
        let place = match self.program.slot(slot)?.place {
            Place::Param(index) => self.weights.params.get_mut(index),
            Place::Grad(index) => self.weights.grads.get_mut(index),
            Place::Input | Place::Value => self.values.get_mut(slot.0),
            Place::Same(root) => return self.place(root),
        };
        place.ok_or_else(|| {
            Error::Internal(format!("slot {} of '{}' has no memory", slot.0, self.program.name()))
        })
    }

    pub fn holds_indices(&self, slot: Slot) -> Result<bool> {
        Ok(self.program.slot(slot)?.dtype == DType::U32)
    }

    pub fn read(&self, slot: Slot) -> Result<&[F]> {
        let place = match self.program.slot(slot)?.place {
            Place::Param(index) => self.weights.params.get(index),
            Place::Grad(index) => self.weights.grads.get(index),
            Place::Input | Place::Value => self.values.get(slot.0),
            Place::Same(root) => return self.read(root),
        };
        Ok(place.map(Vec::as_slice).unwrap_or_default())
    }

    /// What a loss takes.
    fn batch<'b>(
        &'b self,
        loss: &'b Loss,
        reduction: Reduction,
        inputs: &LossInputs,
        indices: &'b [Vec<u32>],
        entry: &StepEntry,
    ) -> Result<loss::Batch<'b, F>> {
        let mut predictions: [&[F]; 3] = [&[]; 3];
        for (place, slot) in predictions.iter_mut().zip(&inputs.predictions) {
            *place = self.read(*slot)?;
        }
        let optional = |slot: Option<Slot>| slot.map(|slot| self.read(slot)).transpose();
        let target = match inputs.target {
            None => loss::Targets::Nothing,
            Some(slot) => {
                let target = loss::Target { indices, slot, program: self.program };
                target.view(self.read(slot)?)?
            }
        };
        let shape = inputs.predictions.first().map(|slot| self.program.shape(*slot)).transpose()?;
        Ok(loss::Batch {
            loss,
            reduction,
            layout: Layout::of(loss, shape.unwrap_or(Shape::scalar())),
            predictions,
            target,
            lengths: inputs
                .lengths
                .and_then(|slot| indices.get(slot.0))
                .map(Vec::as_slice)
                .unwrap_or_default(),
            weight: optional(inputs.weight)?,
            class_weight: optional(inputs.class_weight)?,
            upstream: F::of(inputs.upstream),
            samples: entry.rows as usize,
        })
    }

    /// Runs `f` with the output moved out, so that it can read every other slot.
    pub fn write(
        &mut self,
        out: Slot,
        f: impl FnOnce(&Self, &mut [F]) -> Result<()>,
    ) -> Result<()> {
        let mut buffer = std::mem::take(self.place(out)?);
        let outcome = f(self, &mut buffer);
        *self.place(out)? = buffer;
        outcome
    }
}

impl<F: Real> Interpreter<F> {
    pub(super) fn apply_tensor(
        &mut self,
        program: &Program,
        op: &Op,
        weights: &mut Weights<F>,
        entry: &StepEntry,
    ) -> Result<()> {
        let step = self.step as u32;
        if let Op::Gather { data, out, shuffle } = op
            && program.slot(*out)?.dtype == DType::U32
        {
            let mut target = self.indices.get_mut(out.0).map(std::mem::take).unwrap_or_default();
            gather(
                self.indices.get(data.0).map_or(&[], Vec::as_slice),
                &mut target,
                1,
                *shuffle,
                entry,
            );
            self.indices
                .get_mut(out.0)
                .into_iter()
                .for_each(|place| *place = std::mem::take(&mut target));
            return Ok(());
        }
        let Self { values, indices, .. } = self;
        let mut memory = Memory { program, values, weights };
        match op {
            Op::Gather { data, out, shuffle } => {
                let shape = program.shape(*out)?;
                let cols = if shape.rank() == 1 { 1 } else { shape.cols() };
                memory.write(*out, |memory, out| {
                    gather(memory.read(*data)?, out, cols, *shuffle, entry);
                    Ok(())
                })
            }
            Op::MatMul { a, b, out, form } => {
                let shapes = [program.shape(*a)?, program.shape(*b)?, program.shape(*out)?];
                memory.write(*out, |memory, out| {
                    matmul(memory.read(*a)?, memory.read(*b)?, out, shapes, *form)
                })
            }
            Op::AddRow { row, out } => memory.write(*out, |memory, out| {
                add_row(memory.read(*row)?, out);
                Ok(())
            }),
            Op::SumRows { x, out } => memory.write(*out, |memory, out| {
                sum_rows(memory.read(*x)?, out);
                Ok(())
            }),
            Op::Activation { f, key, x, out } => {
                let shape = program.shape(*x)?;
                let draw = activation::Draw { key: *key, step };
                // In place the input moves out with the output.
                let own = if x == out { Some(memory.read(*x)?.to_vec()) } else { None };
                memory.write(*out, |memory, out| {
                    let x = own.as_deref().map_or_else(|| memory.read(*x), Ok)?;
                    activation::forward(f, draw, shape, x, out);
                    Ok(())
                })
            }
            Op::ActivationBackward { f, order, key, saved, grad_out, grad_in } => {
                let shape = program.shape(*grad_in)?;
                let draw = activation::Draw { key: *key, step };
                memory.write(*grad_in, |memory, out| {
                    let (saved, grad_out) = (memory.read(*saved)?, memory.read(*grad_out)?);
                    match order {
                        Order::First => activation::backward(f, draw, shape, saved, grad_out, out),
                        Order::Second => f.second(saved, grad_out, out).ok_or_else(|| {
                            Error::Internal(format!("{f} has no second derivative"))
                        })?,
                    }
                    Ok(())
                })
            }
            Op::Learned { f, x, weight, out } => {
                let learned = activation::learned(f)?;
                memory.write(*out, |memory, out| {
                    learned.forward(memory.read(*weight)?, memory.read(*x)?, out);
                    Ok(())
                })
            }
            Op::LearnedBackward { f, x, weight, grad_out, grad_in, grad_weight } => {
                let learned = activation::learned(f)?;
                let mut grads = vec![F::zero(); program.shape(*weight)?.len()];
                memory.write(*grad_in, |memory, out| {
                    let (weight, x) = (memory.read(*weight)?, memory.read(*x)?);
                    learned.backward(weight, x, memory.read(*grad_out)?, out, &mut grads);
                    Ok(())
                })?;
                memory.write(*grad_weight, |_, out| {
                    out.copy_from_slice(&grads);
                    Ok(())
                })
            }
            Op::Loss { loss, reduction, inputs, value, gradients } => {
                for (input, gradient) in gradients.iter().enumerate() {
                    memory.write(*gradient, |memory, out| {
                        let batch = memory.batch(loss, *reduction, inputs, indices, entry)?;
                        batch.gradient(input, out);
                        Ok(())
                    })?;
                }
                memory.write(*value, |memory, out| {
                    memory.batch(loss, *reduction, inputs, indices, entry)?.value(out)
                })
            }
            Op::RowShares { target, class_weight, classes, ignored, reduction, out } => {
                let targets = indices.get(target.0).map(Vec::as_slice).unwrap_or_default();
                let targets = targets.get(..entry.rows as usize).unwrap_or(targets);
                memory.write(*out, |memory, out| {
                    let weights = class_weight.map(|slot| memory.read(slot)).transpose()?;
                    let classes = loss::Classes { count: *classes, ignored: *ignored, weights };
                    classes.row_shares(targets, *reduction, out);
                    Ok(())
                })
            }
            Op::OneHot { target, out } => {
                let cols = program.shape(*out)?.cols();
                let targets = indices.get(target.0).map(Vec::as_slice).unwrap_or_default();
                let out = memory.place(*out)?;
                out.fill(F::zero());
                let rows = out.chunks_mut(cols.max(1)).zip(targets).take(entry.rows as usize);
                for (row, class) in rows {
                    // A class that is none leaves its row 0.
                    if let Some(place) = row.get_mut(*class as usize) {
                        *place = F::one();
                    }
                }
                Ok(())
            }
            Op::CheckClasses { target, classes, ignored, count: place, first } => {
                let targets = indices.get(target.0).map(Vec::as_slice).unwrap_or_default();
                let shape = program.shape(*target)?;
                let per_row = shape.len() / shape.axis(0).unwrap_or(1).max(1);
                let is_fault =
                    |class: &u32| *class as usize >= *classes && Some(*class) != *ignored;
                let faults: Vec<usize> = (0..)
                    .zip(targets.iter().take((entry.rows as usize).saturating_mul(per_row)))
                    .filter_map(|(row, class)| is_fault(class).then_some(row))
                    .collect();
                let found = [faults.len(), faults.first().copied().unwrap_or(0)];
                for (slot, figure) in [place, first].into_iter().zip(found) {
                    memory.place(*slot)?.fill(count(figure));
                }
                Ok(())
            }
            Op::Metric { metric, prediction, target, value } => {
                let cols = program.shape(*prediction)?.cols();
                let target = loss::Target { indices, slot: *target, program };
                let each = program.shape(*value)?.rank() > 0;
                memory.write(*value, |memory, out| {
                    let prediction = memory.read(*prediction)?;
                    let target = target.view(memory.read(target.slot)?)?;
                    if let (Some(k), true) = (metric.top(), each) {
                        loss::right_rows(k, cols, prediction, target, entry, out);
                        return Ok(());
                    }
                    out.fill(loss::metric(*metric, cols, prediction, target, entry));
                    Ok(())
                })
            }
            Op::Norm(op) => norm::apply(&mut memory, op, program.shape(op.x())?, entry),
            Op::Tensor(op) => tensor::apply(&mut memory, indices, op),
            other => Err(Error::Internal(format!("{} is not an op over tensors", other.name()))),
        }
    }
}

fn gather<T: Copy + Default>(
    data: &[T],
    out: &mut [T],
    cols: usize,
    shuffle: Option<Key>,
    entry: &StepEntry,
) {
    for (row, out) in out.chunks_mut(cols.max(1)).enumerate() {
        if row >= entry.rows as usize {
            out.fill(T::default());
            continue;
        }
        let position = entry.start + row as u32;
        let source = shuffle.map_or(position, |key| key.permute(entry.epoch, position, entry.total))
            as usize;
        match data.get(source * cols..(source + 1) * cols) {
            Some(data) => out.copy_from_slice(data),
            None => out.fill(T::default()),
        }
    }
}

fn matmul<F: Real>(a: &[F], b: &[F], out: &mut [F], shapes: [Shape; 3], form: Form) -> Result<()> {
    let [a_shape, b_shape, out_shape] = shapes;
    let product = Product::into(form, a_shape, b_shape, out_shape)?;
    let Product { m, k, n, .. } = product;
    for (index, out) in out.chunks_exact_mut((m * n).max(1)).enumerate() {
        let [a_start, b_start] = product.offsets(index);
        let a = a.get(a_start..a_start + m * k).unwrap_or_default();
        let b = b.get(b_start..b_start + k * n).unwrap_or_default();
        one_matmul(a, b, out, [m, k, n], form)?;
    }
    Ok(())
}

fn one_matmul<F: Real>(
    a: &[F],
    b: &[F],
    out: &mut [F],
    [m, k, n]: [usize; 3],
    form: Form,
) -> Result<()> {
    let a_shape = if form == Form::TN { (k, m) } else { (m, k) };
    let b_shape = if form == Form::NT { (n, k) } else { (k, n) };
    if thin(a, b, out, a_shape, b_shape, form) {
        return Ok(());
    }
    let wrong = |error: ndarray::ShapeError| Error::Internal(format!("matmul: {error}"));
    let a = ArrayView2::from_shape(a_shape, a).map_err(wrong)?;
    let b = ArrayView2::from_shape(b_shape, b).map_err(wrong)?;
    let mut out = ArrayViewMut2::from_shape((m, n), out).map_err(wrong)?;
    let (a, b) = match form {
        Form::NN => (a, b),
        Form::NT => (a, b.reversed_axes()),
        Form::TN => (a.reversed_axes(), b),
    };
    if a.ncols() == 0 {
        out.fill(F::zero());
    } else {
        general_mat_mul(F::one(), &a, &b, F::zero(), &mut out);
    }
    Ok(())
}

/// Products with a side of length 1 as plain passes over the rows: packing tiles costs more than it saves there.
/// Says whether it was such a product.
fn thin<F: Real>(
    a: &[F],
    b: &[F],
    out: &mut [F],
    (rows, a_cols): (usize, usize),
    (b_rows, b_cols): (usize, usize),
    form: Form,
) -> bool {
    match form {
        // A column by a row: each row of the result is a multiple of b.
        Form::NN | Form::NT if a_cols == 1 && b.len() == out.len() / rows.max(1) => {
            for (out, &a) in out.chunks_exact_mut(b.len().max(1)).zip(a) {
                out.iter_mut().zip(b).for_each(|(out, &b)| *out = a * b);
            }
        }
        // One dot product per row.
        Form::NT if b_rows == 1 && a_cols > 0 => {
            out.iter_mut().zip(a.chunks_exact(a_cols)).for_each(|(out, a)| *out = dot(a, b));
        }
        // A weighted sum of the rows of a, or of b.
        Form::TN if b_cols == 1 && a_cols > 0 => weighted_sum(a, b, out),
        Form::TN if a_cols == 1 && b_cols > 0 => weighted_sum(b, a, out),
        _ => return false,
    }
    true
}

/// A dot product in eight lanes.
fn dot<F: Real>(a: &[F], b: &[F]) -> F {
    let mut lanes = [F::zero(); 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        lanes.iter_mut().zip(a.iter().zip(b)).for_each(|(lane, (&a, &b))| *lane = *lane + a * b);
    }
    let rest = a_rest.iter().zip(b_rest).map(|(&a, &b)| a * b);
    lanes.into_iter().chain(rest).sum()
}

/// The sum of the rows of a matrix, each times its weight, by blocks of rows so that the error stays small.
fn weighted_sum<F: Real>(matrix: &[F], weights: &[F], out: &mut [F]) {
    const BLOCK: usize = 32;
    let cols = out.len().max(1);
    let mut partial = vec![F::zero(); out.len()];
    out.fill(F::zero());
    for (rows, weights) in matrix.chunks(BLOCK * cols).zip(weights.chunks(BLOCK)) {
        partial.fill(F::zero());
        for (row, &weight) in rows.chunks_exact(cols).zip(weights) {
            partial.iter_mut().zip(row).for_each(|(sum, &x)| *sum = *sum + weight * x);
        }
        add_row(&partial, out);
    }
}

fn add_row<F: Real>(row: &[F], out: &mut [F]) {
    for out in out.chunks_mut(row.len().max(1)) {
        out.iter_mut().zip(row).for_each(|(out, &add)| *out = *out + add);
    }
}

/// Sums blocks of rows, then the blocks, so that the error grows with the square root of the rows at most.
fn sum_rows<F: Real>(x: &[F], out: &mut [F]) {
    let cols = out.len().max(1);
    let block = cols * ((x.len() / cols) as f64).sqrt().ceil().max(1.0) as usize;
    let mut partial = vec![F::zero(); out.len()];
    out.fill(F::zero());
    for rows in x.chunks(block) {
        partial.fill(F::zero());
        rows.chunks(cols).for_each(|row| add_row(row, &mut partial));
        add_row(&partial, out);
    }
}

/// The reciprocal of a count; of nothing, 0.
pub(super) fn share<F: Real>(n: usize) -> F {
    if n == 0 { F::zero() } else { F::one() / count(n) }
}
