//! Losses and metrics.

use super::ops::share;
use crate::error::{Error, Result};
use crate::numeric::tree_sum;
use crate::program::{DType, Program, Slot, StepEntry};
use crate::spec::loss::RowTarget;
use crate::spec::{Loss, Metric, Real, Reduction};

/// A target slot before it is known whether it holds values or class indices.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub indices: &'a [Vec<u32>],
    pub slot: Slot,
    pub program: &'a Program,
}

/// The targets of a batch.
#[derive(Clone, Copy)]
pub(super) enum Targets<'a, F> {
    Values(&'a [F]),
    Classes(&'a [u32]),
}

impl<'a> Target<'a> {
    pub fn view<'v, F>(&self, values: &'v [F]) -> Result<Targets<'v, F>>
    where
        'a: 'v,
    {
        Ok(match self.program.slot(self.slot)?.dtype {
            DType::F32 => Targets::Values(values),
            DType::U32 => Targets::Classes(
                self.indices.get(self.slot.0).map(Vec::as_slice).unwrap_or_default(),
            ),
        })
    }
}

impl<'a, F: Real> Targets<'a, F> {
    fn row(&self, row: usize, cols: usize) -> RowTarget<'a, F> {
        match self {
            Self::Values(values) => {
                RowTarget::Distribution(values.get(row * cols..(row + 1) * cols).unwrap_or(&[]))
            }
            Self::Classes(classes) => {
                RowTarget::Class(classes.get(row).map_or(usize::MAX, |&class| class as usize))
            }
        }
    }

    fn values(&self) -> &'a [F] {
        match self {
            Self::Values(values) => values,
            Self::Classes(_) => &[],
        }
    }
}

/// How many elements and terms the participating rows have.
fn extent(loss: &Loss, cols: usize, prediction: usize, entry: &StepEntry) -> (usize, usize) {
    let rows = (prediction / cols.max(1)).min(entry.rows as usize);
    (rows * cols, if loss.is_row_wise() { rows } else { rows * cols })
}

pub(super) fn value<F: Real>(
    loss: &Loss,
    reduction: Reduction,
    cols: usize,
    prediction: &[F],
    target: Targets<'_, F>,
    entry: &StepEntry,
    out: &mut [F],
) -> Result<()> {
    let (elements, count) = extent(loss, cols, prediction.len(), entry);
    let mut terms = vec![F::zero(); count];
    let prediction = prediction.get(..elements).unwrap_or(prediction);
    if let Some(map) = loss.map::<F>() {
        (map.terms)(&loss.values_as(), prediction, target.values(), &mut terms);
    } else if let Some(pass) = loss.row::<F>() {
        let values = loss.values_as();
        for (row, (scores, term)) in prediction.chunks(cols.max(1)).zip(&mut terms).enumerate() {
            *term = pass(&values, scores, target.row(row, cols), None);
        }
    }
    let scale = match reduction {
        Reduction::None => {
            out.fill(F::zero());
            let place = out
                .get_mut(..count)
                .ok_or_else(|| Error::Internal("loss: no room for its terms".into()))?;
            place.copy_from_slice(&terms);
            return Ok(());
        }
        Reduction::Mean => share(count),
        Reduction::Sum => F::one(),
    };
    out.fill(scale * tree_sum(count, &|i| terms.get(i).copied().unwrap_or(F::zero())));
    Ok(())
}

pub(super) fn gradient<F: Real>(
    loss: &Loss,
    reduction: Reduction,
    cols: usize,
    prediction: &[F],
    target: Targets<'_, F>,
    entry: &StepEntry,
    out: &mut [F],
) -> Result<()> {
    let (elements, count) = extent(loss, cols, prediction.len(), entry);
    let scale = if reduction == Reduction::Mean { share(count) } else { F::one() };
    let prediction = prediction.get(..elements).unwrap_or(prediction);
    out.fill(F::zero());
    if let Some(map) = loss.map::<F>() {
        (map.gradient)(&loss.values_as(), prediction, target.values(), scale, out);
    } else if let Some(pass) = loss.row::<F>() {
        let values = loss.values_as();
        let rows = prediction.chunks(cols.max(1)).zip(out.chunks_mut(cols.max(1)));
        for (row, (scores, out)) in rows.enumerate() {
            pass(&values, scores, target.row(row, cols), Some((scale, out)));
        }
    }
    Ok(())
}

pub(super) fn metric<F: Real>(
    metric: Metric,
    cols: usize,
    prediction: &[F],
    target: Targets<'_, F>,
    entry: &StepEntry,
) -> F {
    let rows = (prediction.len() / cols.max(1)).min(entry.rows as usize);
    let Some(agreement) = metric.agrees() else {
        let scores = prediction.chunks(cols.max(1)).take(rows).enumerate();
        let right = scores
            .filter(|(row, scores)| argmax(scores) == best(target.row(*row, cols), cols))
            .count();
        return share::<F>(rows) * F::of(right as f64);
    };
    let limit = F::of(agreement.limit);
    let agrees = |pair: &(&F, &F)| {
        let (y, t) = (*pair.0, *pair.1);
        if agreement.side { (y >= limit) == (t >= F::of(0.5)) } else { (y - t).abs() < limit }
    };
    let elements = rows * cols;
    let right = prediction.iter().zip(target.values()).take(elements).filter(agrees).count();
    share::<F>(elements) * F::of(right as f64)
}

/// The index of the first largest score.
fn argmax<F: Real>(scores: &[F]) -> usize {
    let mut best = (0, F::neg_infinity());
    for (index, &score) in scores.iter().enumerate() {
        if score > best.1 {
            best = (index, score);
        }
    }
    best.0
}

fn best<F: Real>(target: RowTarget<'_, F>, cols: usize) -> usize {
    match target {
        RowTarget::Class(class) => class,
        RowTarget::Distribution(weights) => argmax(weights.get(..cols).unwrap_or(weights)),
    }
}
