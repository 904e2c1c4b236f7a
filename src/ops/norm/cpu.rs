//! The CPU reference.

use super::NormOp;
use crate::engine::cpu::Memory;
use crate::error::Result;
use crate::ir::{Slot, StepEntry};
use crate::numeric::{count, reciprocal, sum};
use crate::shape::Shape;
use crate::spec::{Normalization, Real};
use crate::walk::{at, change, put};

/// The lines of elements that are normalized together: rows, or columns across rows.
#[derive(Clone, Copy)]
struct NormGroups {
    shape: Shape,
    across: bool,
    /// The number of active rows.
    rows: usize,
}

impl NormGroups {
    fn new(f: &Normalization, shape: Shape, entry: &StepEntry) -> Self {
        let across = f.is_across_rows();
        let first = shape.axis(0).unwrap_or(1);
        let rows = if across {
            first.min(entry.rows as usize) * (shape.rows() / first.max(1))
        } else {
            shape.rows()
        };
        Self { shape, across, rows }
    }

    fn each(self) -> impl Iterator<Item = usize> {
        0..if self.across { self.shape.cols() } else { self.rows }
    }

    /// The index of each element of a line, and of its weight.
    fn places(self, line: usize) -> impl Iterator<Item = (usize, usize)> + Clone {
        let cols = self.shape.cols();
        let len = if self.across { self.rows } else { cols };
        (0..len).map(
            move |i| {
                if self.across { (i * cols + line, line) } else { (line * cols + i, i) }
            },
        )
    }
}

/// The mean and variance of a line.
fn statistics<F: Real>(f: &Normalization, numbers: &[F]) -> (F, F) {
    let mean = if f.is_centred() { average(numbers) } else { F::zero() };
    let squares: Vec<F> = numbers.iter().map(|&x| (x - mean) * (x - mean)).collect();
    (mean, average(&squares))
}

fn average<F: Real>(numbers: &[F]) -> F {
    sum(numbers) * reciprocal(numbers.len())
}

fn optional<'a, F: Real>(memory: &'a Memory<'_, F>, slot: Option<Slot>) -> Result<Option<&'a [F]>> {
    slot.map(|slot| memory.read(slot)).transpose()
}

/// The scale and shift of the normalized values, per column.
struct ScaleShift<'a, F> {
    weight: Option<&'a [F]>,
    bias: Option<&'a [F]>,
}

impl<'a, F: Real> ScaleShift<'a, F> {
    fn of(memory: &'a Memory<'_, F>, weight: Option<Slot>, bias: Option<Slot>) -> Result<Self> {
        Ok(Self { weight: optional(memory, weight)?, bias: optional(memory, bias)? })
    }

    fn apply(&self, normal: F, column: usize) -> F {
        let scaled = normal * self.weight.map_or(F::one(), |weight| at(weight, column));
        scaled + self.bias.map_or(F::zero(), |bias| at(bias, column))
    }
}

impl NormOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        let shape = memory.program.shape(self.x())?;
        let lines = |f| NormGroups::new(f, shape, memory.entry);
        match self {
            Self::Forward { f, x, weight, bias, out } => {
                let lines = lines(f);
                memory.write(*out, |memory, out| {
                    let affine = ScaleShift::of(memory, *weight, *bias)?;
                    forward(f, lines, memory.read(*x)?, &affine, out);
                    Ok(())
                })
            }
            Self::Track { f, x, running } => track(memory, f, lines(f), *x, *running),
            Self::Evaluate { f, x, running: [mean, variance], weight, bias, out } => {
                memory.write(*out, |memory, out| {
                    let affine = ScaleShift::of(memory, *weight, *bias)?;
                    let (mean, variance) = (memory.read(*mean)?, memory.read(*variance)?);
                    for (i, (out, &x)) in out.iter_mut().zip(memory.read(*x)?).enumerate() {
                        let column = i % shape.cols().max(1);
                        let scale = F::one() / (at(variance, column) + F::of(f.epsilon())).sqrt();
                        *out = affine.apply((x - at(mean, column)) * scale, column);
                    }
                    Ok(())
                })
            }
            Self::Backward { f, x, weight, grad_out, grad_in, grad_weight } => {
                let (lines, mut sums) = (lines(f), vec![F::zero(); shape.cols()]);
                memory.write(*grad_in, |memory, out| {
                    let weight = optional(memory, *weight)?;
                    let (x, g) = (memory.read(*x)?, memory.read(*grad_out)?);
                    out.fill(F::zero());
                    for line in lines.each() {
                        backward(f, lines.places(line), (x, weight, g), out, &mut sums);
                    }
                    Ok(())
                })?;
                let Some(grad_weight) = grad_weight else { return Ok(()) };
                memory.place(*grad_weight)?.copy_from_slice(&sums);
                Ok(())
            }
        }
    }
}

fn forward<F: Real>(
    f: &Normalization,
    lines: NormGroups,
    x: &[F],
    affine: &ScaleShift<'_, F>,
    out: &mut [F],
) {
    out.fill(F::zero());
    for line in lines.each() {
        let numbers: Vec<F> = lines.places(line).map(|(i, _)| at(x, i)).collect();
        let (mean, variance) = statistics(f, &numbers);
        let scale = F::one() / (variance + F::of(f.epsilon())).sqrt();
        for ((i, column), x) in lines.places(line).zip(numbers) {
            put(out, i, affine.apply((x - mean) * scale, column));
        }
    }
}

/// Updates the running statistics.
fn track<F: Real>(
    memory: &mut Memory<'_, F>,
    f: &Normalization,
    lines: NormGroups,
    x: Slot,
    [mean, variance]: [Slot; 2],
) -> Result<()> {
    let mut found = Vec::new();
    for line in lines.each().filter(|_| lines.rows > 0) {
        let x = memory.read(x)?;
        let numbers: Vec<F> = lines.places(line).map(|(i, _)| at(x, i)).collect();
        found.push(statistics(f, &numbers));
    }
    let toward = |old: F, new: F| old + F::of(f.step()) * (new - old);
    let means = memory.place(mean)?.iter_mut().zip(&found);
    means.for_each(|(old, (mean, _))| *old = toward(*old, *mean));
    if lines.rows > 1 {
        let sample = count::<F>(lines.rows) / count::<F>(lines.rows - 1);
        let variances = memory.place(variance)?.iter_mut().zip(&found);
        variances.for_each(|(old, (_, of_all))| *old = toward(*old, *of_all * sample));
    }
    Ok(())
}

/// Computes the gradient along one line; adds the gradient of the weights to `sums`.
fn backward<F: Real>(
    f: &Normalization,
    places: impl Iterator<Item = (usize, usize)> + Clone,
    (x, weight, g): (&[F], Option<&[F]>, &[F]),
    out: &mut [F],
    sums: &mut [F],
) {
    let numbers: Vec<F> = places.clone().map(|(i, _)| at(x, i)).collect();
    let (mean, variance) = statistics(f, &numbers);
    let scale = F::one() / (variance + F::of(f.epsilon())).sqrt();
    let normal: Vec<F> = numbers.iter().map(|&x| (x - mean) * scale).collect();
    let of = |(i, w): (usize, usize)| at(g, i) * weight.map_or(F::one(), |weight| at(weight, w));
    let upstream: Vec<F> = places.clone().map(of).collect();
    let products: Vec<F> = upstream.iter().zip(&normal).map(|(&g, &y)| g * y).collect();
    let shift = if f.is_centred() { average(&upstream) } else { F::zero() };
    let slope = average(&products);
    for (((i, w), g_here), y) in places.zip(upstream).zip(normal) {
        let gradient = scale * (g_here - shift - y * slope);
        put(out, i, gradient);
        change(sums, w, |sum| *sum = *sum + at(g, i) * y);
    }
}
