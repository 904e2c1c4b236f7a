//! The CPU reference.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::LinearOp;
use crate::engine::cpu::Memory;
use crate::error::{Error, Result};
use crate::ir::{Form, Product};
use crate::shape::Shape;
use crate::spec::Real;
use crate::threads;

impl LinearOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        match self {
            Self::MatMul { a, b, out, form } => {
                let program = memory.program;
                let shapes = [program.shape(*a)?, program.shape(*b)?, program.shape(*out)?];
                memory.write(*out, |memory, out| {
                    matmul(memory.read(*a)?, memory.read(*b)?, out, shapes, *form)
                })
            }
            Self::AddRow { row, out } => memory.write(*out, |memory, out| {
                add_row(memory.read(*row)?, out);
                Ok(())
            }),
            Self::SumRows { x, out } => memory.write(*out, |memory, out| {
                sum_rows(memory.read(*x)?, out);
                Ok(())
            }),
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
    if k == 0 {
        out.fill(F::zero());
    } else {
        let is_large = m * k * n / LEAST >= threads::least_pieces();
        in_parts(a, b, out, if is_large { threads::workers() } else { 1 });
    }
    Ok(())
}

/// The multiply-adds of a product that take as long as [`threads::split`]'s pieces.
const LEAST: usize = 1 << 22;

/// Computes a product in as many parts of its longer side, at the same time.
fn in_parts<F: Real>(
    a: ArrayView2<'_, F>,
    b: ArrayView2<'_, F>,
    mut out: ArrayViewMut2<'_, F>,
    parts: usize,
) {
    const TILE: usize = 16;
    let (m, n) = out.dim();
    let side = m.max(n);
    if parts < 2 || side < 2 * TILE {
        return general_mat_mul(F::one(), &a, &b, F::zero(), &mut out);
    }
    // Whole tiles of the micro-kernels, up to which the parts are equal.
    let first = parts / 2;
    let at = (side * first / parts).next_multiple_of(TILE);
    let axis = Axis(usize::from(n > m));
    let (out, rest) = out.split_at(axis, at);
    let ((a, a_rest), (b, b_rest)) =
        if n > m { ((a, a), b.split_at(axis, at)) } else { (a.split_at(axis, at), (b, b)) };
    threads::join(|| in_parts(a, b, out, first), || in_parts(a_rest, b_rest, rest, parts - first));
}

/// Computes products with a side of length 1 by plain passes over the rows: there, packing tiles costs more than it
/// saves. Returns whether it was such a product.
fn thin<F: Real>(
    a: &[F],
    b: &[F],
    out: &mut [F],
    (rows, a_cols): (usize, usize),
    (b_rows, b_cols): (usize, usize),
    form: Form,
) -> bool {
    match form {
        // An outer product: each row of the result is a multiple of b.
        Form::NN | Form::NT if a_cols == 1 && b.len() == out.len() / rows.max(1) => {
            for (out, &a) in out.chunks_exact_mut(b.len().max(1)).zip(a) {
                out.iter_mut().zip(b).for_each(|(out, &b)| *out = a * b);
            }
        }
        // A dot product per row.
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

/// A dot product, accumulated in eight lanes.
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

/// Sums the rows of a matrix, each times its weight, by blocks of rows to keep the rounding error small.
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

/// Sums blocks of rows, then the blocks, so that the rounding error grows at most with the square root of the number of
/// rows.
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
