//! The CPU reference.

use super::MetricOp;
use crate::engine::cpu::Memory;
use crate::error::Result;
use crate::ir::StepEntry;
use crate::numeric::{reciprocal, sum};
use crate::ops::loss::{BatchTargets, TargetSlot};
use crate::spec::loss::RowTarget;
use crate::spec::metric::Mode;
use crate::spec::{Metric, Real};

impl MetricOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        let Self { metric, prediction, target, value } = self;
        let cols = memory.program.shape(*prediction)?.cols();
        let each = memory.program.shape(*value)?.rank() > 0;
        memory.write(*value, |memory, out| {
            let target =
                TargetSlot { indices: memory.indices, slot: *target, program: memory.program };
            let prediction = memory.read(*prediction)?;
            let target = target.view(memory.read(target.slot)?)?;
            if let (Some(k), true) = (metric.top(), each) {
                right_rows(k, cols, prediction, target, memory.entry, out);
                return Ok(());
            }
            out.fill(mean(*metric, cols, prediction, target, memory.entry));
            Ok(())
        })
    }
}

/// The mean over the active rows.
fn mean<F: Real>(
    metric: Metric,
    cols: usize,
    prediction: &[F],
    target: BatchTargets<'_, F>,
    entry: &StepEntry,
) -> F {
    let rows = (prediction.len() / cols.max(1)).min(entry.rows as usize);
    if let Some(k) = metric.top() {
        let mut right = vec![F::zero(); rows];
        right_rows(k, cols, prediction, target, entry, &mut right);
        return reciprocal::<F>(rows) * sum(&right);
    }
    let Some(agreement) = metric.agrees() else { return F::zero() };
    let limit = F::of(agreement.limit);
    let figure = |(&y, &t): (&F, &F)| {
        let agrees = match agreement.mode {
            Mode::Explained => return F::one() - (y - t) * (y - t) / limit,
            Mode::Side => (y >= limit) == (t >= F::of(0.5)),
            Mode::Near => (y - t).abs() < limit,
            Mode::Outside => y < F::zero() || y > limit,
            Mode::Distance => return (y - t).abs(),
        };
        if agrees { F::one() } else { F::zero() }
    };
    let elements = rows * cols;
    let figures: Vec<F> =
        prediction.iter().zip(target.values()).take(elements).map(figure).collect();
    reciprocal::<F>(elements) * sum(&figures)
}

/// Writes 1 for each active row whose class is among the k largest scores, else 0.
fn right_rows<F: Real>(
    k: usize,
    cols: usize,
    prediction: &[F],
    target: BatchTargets<'_, F>,
    entry: &StepEntry,
    out: &mut [F],
) {
    out.fill(F::zero());
    let scores = prediction.chunks(cols.max(1)).take(entry.rows as usize).enumerate();
    for (out, (row, scores)) in out.iter_mut().zip(scores) {
        if is_among(scores, best(target.row(row, cols), cols), k) {
            *out = F::one();
        }
    }
}

/// Returns whether a class is among the k largest scores. Of equal scores the first counts as larger; NaN is never
/// among them.
fn is_among<F: Real>(scores: &[F], class: usize, k: usize) -> bool {
    let Some(&score) = scores.get(class).filter(|score| !score.is_nan()) else { return false };
    let before = |(index, other): (usize, &F)| *other > score || (*other == score && index < class);
    scores.iter().enumerate().filter(|&(index, other)| before((index, other))).count() < k
}

/// The index of the first largest score.
fn argmax<F: Real>(scores: &[F]) -> usize {
    let mut best = (0, -F::infinity());
    for (index, &score) in scores.iter().enumerate() {
        if score > best.1 {
            best = (index, score);
        }
    }
    best.0
}

fn best<F: Real>(target: RowTarget<'_, F>, cols: usize) -> usize {
    match target {
        RowTarget::Class(class) => class as usize,
        RowTarget::Values(weights) => argmax(weights.get(..cols).unwrap_or(weights)),
        _ => usize::MAX,
    }
}
