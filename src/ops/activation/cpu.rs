//! The CPU reference: along any axis, and with random numbers.

use super::ActivationOp;
use crate::engine::cpu::Memory;
use crate::error::{Error, Result};
use crate::random::Key;
use crate::shape::Shape;
use crate::spec::activation::{ActivationKind, Map, Order, ParametricKind};
use crate::spec::{Activation, Real};
use crate::threads;

impl ActivationOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        match self {
            Self::Forward { f, key, x, out } => {
                let shape = memory.program.shape(*x)?;
                let draw = NoiseSource { key: *key, step: memory.progress.step as u32 };
                let in_place = x == out;
                memory.write(*out, |memory, out| {
                    match (in_place, f.map::<F>()) {
                        (false, _) => forward(f, draw, shape, memory.read(*x)?, out),
                        (true, Some(map)) => map_in_place(f, map, out),
                        (true, None) => {
                            let x = out.to_vec();
                            forward(f, draw, shape, &x, out);
                        }
                    }
                    Ok(())
                })
            }
            Self::Backward { f, order, key, saved, grad_out, grad_in } => {
                let shape = memory.program.shape(*grad_in)?;
                let draw = NoiseSource { key: *key, step: memory.progress.step as u32 };
                memory.write(*grad_in, |memory, out| {
                    let (saved, grad_out) = (memory.read(*saved)?, memory.read(*grad_out)?);
                    match order {
                        Order::First => backward(f, draw, shape, saved, grad_out, out),
                        Order::Second => f.second(saved, grad_out, out).ok_or_else(|| {
                            Error::Internal(format!("{f} has no second derivative"))
                        })?,
                    }
                    Ok(())
                })
            }
            Self::Parametric { f, x, weight, out } => {
                let parametric = parametric(f)?;
                memory.write(*out, |memory, out| {
                    parametric.forward(memory.read(*weight)?, memory.read(*x)?, out);
                    Ok(())
                })
            }
            Self::ParametricBackward { f, x, weight, grad_out, grad_in, grad_weight } => {
                let parametric = parametric(f)?;
                let mut grads = vec![F::zero(); memory.program.shape(*weight)?.len()];
                memory.write(*grad_in, |memory, out| {
                    let (weight, x) = (memory.read(*weight)?, memory.read(*x)?);
                    parametric.backward(weight, x, memory.read(*grad_out)?, out, &mut grads);
                    Ok(())
                })?;
                memory.write(*grad_weight, |_, out| {
                    out.copy_from_slice(&grads);
                    Ok(())
                })
            }
        }
    }
}

/// The number of elements that are copied at once.
const BLOCK: usize = 1024;

/// Applies an elementwise activation to its own output.
fn map_in_place<F: Real>(f: &Activation, map: &Map<F>, out: &mut [F]) {
    let values = f.values_as();
    threads::split(out.len(), 1, out, |_, out| {
        let mut copy = [F::zero(); BLOCK];
        for out in out.chunks_mut(BLOCK) {
            let x = copy.split_at_mut(out.len()).0;
            x.copy_from_slice(out);
            (map.forward)(&values, x, out);
        }
    });
}

/// The source of an op's random numbers.
#[derive(Clone, Copy)]
struct NoiseSource {
    pub key: Option<Key>,
    pub step: u32,
}

impl NoiseSource {
    fn uniform<F: Real>(self, element: usize) -> F {
        F::of(self.key.map_or(0.0, |key| f64::from(key.uniform(self.step, element as u32))))
    }

    /// The scores of a random row-wise activation: x plus Gumbel noise.
    fn scores<F: Real>(self, x: &[F]) -> Option<Vec<F>> {
        let key = self.key?;
        let score = |(x, i): (&F, u32)| *x + F::of(key.gumbel(self.step, i));
        Some(x.iter().zip(0u32..).map(score).collect())
    }
}

fn forward<F: Real>(f: &Activation, draw: NoiseSource, shape: Shape, x: &[F], out: &mut [F]) {
    if let (ActivationKind::Stochastic(noise), Some(_)) = (&f.entry().kind, draw.key) {
        let values = (noise.prepare)(f.values()).map(F::of);
        let function = F::noise(&noise.passes).forward;
        for (i, (&x, out)) in x.iter().zip(out).enumerate() {
            *out = function(&values, x, draw.uniform(i));
        }
        return;
    }
    let scores = draw.scores(x);
    let x = scores.as_deref().unwrap_or(x);
    match rows(f, shape) {
        None => in_pieces(f, shape, out, |cols, first, out| {
            f.forward(cols, x.get(first..).unwrap_or_default(), out);
        }),
        Some(rows) => {
            let mut row = (vec![F::zero(); rows.len], vec![F::zero(); rows.out_len]);
            for start in rows.starts() {
                rows.load(x, start.0, &mut row.0);
                f.forward(rows.len, &row.0, &mut row.1);
                rows.store(&row.1, start.1, out);
            }
        }
    }
}

/// Calls `work` with the length of a row, an element's number and the part of the output from that element on: for pieces
/// of the output, unless the length of rows changes.
fn in_pieces<F: Real>(
    f: &Activation,
    shape: Shape,
    out: &mut [F],
    work: impl Fn(usize, usize, &mut [F]) + Sync,
) {
    let cols = shape.cols();
    let (len, cost) = match f.entry().kind {
        ActivationKind::Elementwise(_) => (1, 1),
        ActivationKind::Row(_) => (cols.max(1), 4 * cols),
        _ => (out.len().max(1), out.len()),
    };
    let items = out.len() / len;
    threads::split(items, cost, out, |first, out| work(cols, first * len, out));
}

fn backward<F: Real>(
    f: &Activation,
    draw: NoiseSource,
    shape: Shape,
    saved: &[F],
    grad_out: &[F],
    out: &mut [F],
) {
    if let (ActivationKind::Stochastic(noise), Some(_)) = (&f.entry().kind, draw.key) {
        let values = (noise.prepare)(f.values()).map(F::of);
        let function = F::noise(&noise.passes).derivative;
        for (i, ((&x, &g), out)) in saved.iter().zip(grad_out).zip(out).enumerate() {
            *out = g * function(&values, x, draw.uniform(i));
        }
        return;
    }
    let scores = draw.scores(saved);
    let saved = scores.as_deref().unwrap_or(saved);
    match rows(f, shape) {
        None => in_pieces(f, shape, out, |cols, first, out| {
            let [saved, grad_out] = [saved, grad_out].map(|x| x.get(first..).unwrap_or_default());
            f.backward(cols, saved, grad_out, out);
        }),
        Some(rows) => {
            let mut row = [rows.len, rows.out_len, rows.len].map(|len| vec![F::zero(); len]);
            let [saved_row, grad_row, out_row] = &mut row;
            for start in rows.starts() {
                rows.load(saved, start.0, saved_row);
                rows.load(grad_out, start.1, grad_row);
                f.backward(rows.len, saved_row, grad_row, out_row);
                rows.store(out_row, start.0, out);
            }
        }
    }
}

/// The registry entry of a parametric activation.
fn parametric(f: &Activation) -> Result<&'static ParametricKind> {
    match &f.entry().kind {
        ActivationKind::Parametric(parametric) => Ok(parametric),
        _ => Err(Error::Internal(format!("{f} has no learned parameters"))),
    }
}

/// Rows whose elements are not contiguous.
struct StridedRows {
    outer: usize,
    len: usize,
    out_len: usize,
    inner: usize,
}

/// The rows that an activation works along, unless they are those of the last axis.
fn rows(f: &Activation, shape: Shape) -> Option<StridedRows> {
    let [outer, len, inner] = shape.split(f.dim()?)?;
    let out_len = f.output_len(len).unwrap_or(len);
    let last = inner == 1 && len == shape.cols();
    (!last).then_some(StridedRows { outer, len, out_len, inner })
}

impl StridedRows {
    /// The first element of each row, in the input and in the output.
    fn starts(&self) -> impl Iterator<Item = (usize, usize)> {
        let Self { outer, len, out_len, inner } = *self;
        (0..outer).flat_map(move |o| {
            (0..inner).map(move |i| (o * len * inner + i, o * out_len * inner + i))
        })
    }

    fn load<F: Real>(&self, from: &[F], start: usize, row: &mut [F]) {
        let elements = from.iter().skip(start).step_by(self.inner.max(1));
        row.iter_mut().zip(elements).for_each(|(place, x)| *place = *x);
    }

    fn store<F: Real>(&self, row: &[F], start: usize, to: &mut [F]) {
        let places = to.iter_mut().skip(start).step_by(self.inner.max(1));
        places.zip(row).for_each(|(place, x)| *place = *x);
    }
}
