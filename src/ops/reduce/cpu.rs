//! The CPU reference.

use super::ReduceOp;
use crate::engine::cpu::Memory;
use crate::error::Result;
use crate::spec::{Real, Reduce};
use crate::walk::{at, put};

/// The number of elements added sequentially before their sums are added: the error of a sum grows with its additions.
const RUN: usize = 32;

impl ReduceOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        match self {
            Self::Forward { f, x, out, split, .. } if f.gives_indices() => {
                memory.write_indices(*out, |memory, out| {
                    let x = memory.read(*x)?;
                    let rows = rows(*split).zip(out);
                    rows.for_each(|(row, place)| *place = first(*f, row.map(|i| at(x, i))));
                    Ok(())
                })
            }
            Self::Forward { f, x, out, split, scale } => memory.write(*out, |memory, out| {
                let (x, scale) = (memory.read(*x)?, F::of(*scale));
                for (row, out) in rows(*split).zip(out) {
                    *out = reduce(*f, row.map(|i| at(x, i))) * scale;
                }
                Ok(())
            }),
            Self::Backward { f, x, y, grad_out, grad_in, walk } => {
                memory.write(*grad_in, |memory, out| {
                    let (x, y, g) = (memory.read(*x)?, memory.read(*y)?, memory.read(*grad_out)?);
                    walk.each(|[i, j, to]| put(out, to, pull(*f, at(x, i), at(y, j), at(g, j))));
                    Ok(())
                })
            }
        }
    }
}

/// The elements of each row along the middle one of three axes.
fn rows(
    [outer, along, inner]: [usize; 3],
) -> impl Iterator<Item = impl Iterator<Item = usize> + Clone> {
    (0..outer * inner).map(move |row| {
        let start = row / inner.max(1) * along * inner + row % inner.max(1);
        (0..along).map(move |i| start + i * inner)
    })
}

/// Sums short runs, then their sums.
fn sum<F: Real>(mut terms: impl Iterator<Item = F>) -> F {
    let mut total = F::zero();
    loop {
        let mut run = F::zero();
        for place in 0..RUN {
            match terms.next() {
                Some(term) => run = run + term,
                None if place == 0 => return total,
                None => return total + run,
            }
        }
        total = total + run;
    }
}

/// The larger operand; NaN is larger than all others.
fn larger<F: Real>(a: F, b: F) -> F {
    if a.is_nan() || a > b { a } else { b }
}

fn reduce<F: Real>(f: Reduce, row: impl Iterator<Item = F> + Clone) -> F {
    let top = |row: &mut dyn Iterator<Item = F>| row.fold(-F::infinity(), |a, b| larger(b, a));
    match f {
        Reduce::Sum | Reduce::Mean => sum(row),
        Reduce::Amax => top(&mut row.clone()),
        Reduce::Amin => -top(&mut row.map(|x| -x)),
        Reduce::Logsumexp => {
            let top = top(&mut row.clone());
            if top.abs() == F::infinity() {
                return top;
            }
            top + sum(row.map(|x| (x - top).exp())).ln()
        }
        Reduce::L1Norm => sum(row.map(|x| x.abs())),
        Reduce::L2Norm => {
            let top = row.clone().fold(F::zero(), |a, b| larger(b.abs(), a));
            if top == F::zero() || !top.is_finite() {
                return top;
            }
            // Scaling keeps the squares of the largest and of the smallest elements in range.
            top * sum(row.map(|x| (x / top) * (x / top))).sqrt()
        }
        Reduce::MaxNorm => row.fold(F::zero(), |a, b| larger(b.abs(), a)),
        Reduce::CountNan => sum(row.map(|x| if x.is_nan() { F::one() } else { F::zero() })),
        Reduce::CountInf => {
            sum(row.map(|x| if x.abs() == F::infinity() { F::one() } else { F::zero() }))
        }
        // These give indices.
        Reduce::Argmax | Reduce::Argmin => F::zero(),
    }
}

/// The index of the first of the largest or smallest elements.
fn first<F: Real>(f: Reduce, row: impl Iterator<Item = F>) -> u32 {
    let signed = |x: F| if f == Reduce::Argmin { -x } else { x };
    let better = |best: (u32, F), next: (u32, F)| {
        let beats = !best.1.is_nan() && (next.1.is_nan() || next.1 > best.1);
        if beats { next } else { best }
    };
    (0u32..).zip(row.map(signed)).reduce(better).map_or(0, |(place, _)| place)
}

/// The gradient of one element.
fn pull<F: Real>(f: Reduce, x: F, y: F, grad_out: F) -> F {
    let equal = |is: bool| if is { grad_out } else { F::zero() };
    match f {
        Reduce::Sum | Reduce::Mean => grad_out,
        Reduce::Amax | Reduce::Amin | Reduce::MaxNorm if y.is_nan() => y,
        Reduce::Amax | Reduce::Amin => equal(x == y),
        Reduce::Logsumexp => grad_out * (x - y).exp(),
        Reduce::L1Norm => grad_out * x.sign(),
        Reduce::L2Norm if y == F::zero() => F::zero(),
        Reduce::L2Norm => grad_out * (x / y),
        Reduce::MaxNorm if x == F::zero() => F::zero(),
        Reduce::MaxNorm => equal(x.abs() == y) * x.sign(),
        _ => F::zero(),
    }
}
