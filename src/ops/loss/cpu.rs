//! The CPU reference.

use super::LossOp;
use crate::engine::cpu::Memory;

use crate::error::{Error, Result};
use crate::ir::{DType, LossInputs, Program, Slot};
use crate::numeric::{count, reciprocal, sum, sum_of};
use crate::ops::loss::{LossLayout, has_weighted_mean};
use crate::shape::Shape;
use crate::spec::loss::ctc::Sequence;
use crate::spec::loss::{LossMap, MapInputs, Row, RowTarget, RowView, TargetForm};
use crate::spec::registry::Values;
use crate::spec::{Loss, Real, Reduction};
use crate::threads;

/// The number of elements that pass after pass goes over while they are in the nearest cache.
const BLOCK: usize = 1024;

impl LossOp {
    pub(crate) fn run<F: Real>(&self, memory: &mut Memory<'_, F>) -> Result<()> {
        match self {
            Self::Loss { loss, reduction, inputs, value, gradients } => {
                let outs: Vec<Slot> = std::iter::once(value).chain(gradients).copied().collect();
                memory.write_all(&outs, |memory, outs| {
                    let batch = memory.batch(loss, *reduction, inputs)?;
                    outs.split_first_mut()
                        .map_or(Ok(()), |(value, slopes)| batch.run(value, slopes))
                })
            }
            Self::RowWeights { target, class_weight, classes, ignored, reduction, out } => memory
                .write(*out, |memory, out| {
                    let targets = memory.indices(*target);
                    let targets = targets.get(..memory.entry.rows as usize).unwrap_or(targets);
                    let weights = class_weight.map(|slot| memory.read(slot)).transpose()?;
                    let classes = Classes { count: *classes, ignored: *ignored, weights };
                    classes.row_term_weights(targets, *reduction, out);
                    Ok(())
                }),
            Self::OneHot { target, out } => {
                let cols = memory.program.shape(*out)?.cols();
                memory.write(*out, |memory, out| {
                    out.fill(F::zero());
                    let rows = out.chunks_mut(cols.max(1)).zip(memory.indices(*target));
                    for (row, class) in rows.take(memory.entry.rows as usize) {
                        // An invalid class leaves its row 0.
                        if let Some(place) = row.get_mut(*class as usize) {
                            *place = F::one();
                        }
                    }
                    Ok(())
                })
            }
            Self::CheckClasses { target, classes, ignored, count: place, first } => {
                let targets = memory.indices(*target);
                let shape = memory.program.shape(*target)?;
                let per_row = shape.len() / shape.axis(0).unwrap_or(1).max(1);
                let is_fault =
                    |class: &u32| *class as usize >= *classes && Some(*class) != *ignored;
                let faults: Vec<usize> = (0..)
                    .zip(targets.iter().take((memory.entry.rows as usize).saturating_mul(per_row)))
                    .filter_map(|(row, class)| is_fault(class).then_some(row))
                    .collect();
                let found = [faults.len(), faults.first().copied().unwrap_or(0)];
                for (slot, figure) in [place, first].into_iter().zip(found) {
                    memory.place(*slot)?.fill(count(figure));
                }
                Ok(())
            }
        }
    }
}

impl<F: Real> Memory<'_, F> {
    fn batch<'b>(
        &'b self,
        loss: &'b Loss,
        reduction: Reduction,
        inputs: &LossInputs,
    ) -> Result<Batch<'b, F>> {
        let mut predictions: [&[F]; 3] = [&[]; 3];
        for (place, slot) in predictions.iter_mut().zip(&inputs.predictions) {
            *place = self.read(*slot)?;
        }
        let optional = |slot: Option<Slot>| slot.map(|slot| self.read(slot)).transpose();
        let target = match inputs.target {
            None => BatchTargets::Nothing,
            Some(slot) => {
                let target = TargetSlot { indices: self.indices, slot, program: self.program };
                target.view(self.read(slot)?)?
            }
        };
        let shape = inputs.predictions.first().map(|slot| self.program.shape(*slot)).transpose()?;
        Ok(Batch {
            loss,
            reduction,
            layout: LossLayout::of(loss, shape.unwrap_or(Shape::scalar())),
            predictions,
            target,
            lengths: inputs.lengths.map(|slot| self.indices(slot)).unwrap_or_default(),
            weight: optional(inputs.weight)?,
            class_weight: optional(inputs.class_weight)?,
            upstream: F::of(inputs.upstream),
            samples: self.entry.rows as usize,
        })
    }
}

/// A target slot whose type, values or class indices, is not known yet.
#[derive(Clone, Copy)]
pub(crate) struct TargetSlot<'a> {
    pub indices: &'a [Vec<u32>],
    pub slot: Slot,
    pub program: &'a Program,
}

/// The targets of a batch.
#[derive(Clone, Copy)]
pub(crate) enum BatchTargets<'a, F> {
    Values(&'a [F]),
    Classes(&'a [u32]),
    Nothing,
}

impl<'a> TargetSlot<'a> {
    pub(crate) fn view<'v, F>(&self, values: &'v [F]) -> Result<BatchTargets<'v, F>>
    where
        'a: 'v,
    {
        Ok(match self.program.slot(self.slot)?.dtype {
            DType::F32 => BatchTargets::Values(values),
            DType::U32 => BatchTargets::Classes(
                self.indices.get(self.slot.0).map(Vec::as_slice).unwrap_or_default(),
            ),
        })
    }
}

impl<'a, F: Real> BatchTargets<'a, F> {
    /// The target of a row of scores, as metrics use it.
    pub(crate) fn row(&self, row: usize, cols: usize) -> RowTarget<'a, F> {
        match self {
            Self::Values(values) => {
                RowTarget::Values(values.get(row * cols..(row + 1) * cols).unwrap_or(&[]))
            }
            Self::Classes(classes) => {
                RowTarget::Class(classes.get(row).copied().unwrap_or(u32::MAX))
            }
            Self::Nothing => RowTarget::Nothing,
        }
    }

    pub(crate) fn values(&self) -> &'a [F] {
        match self {
            Self::Values(values) => values,
            Self::Classes(_) | Self::Nothing => &[],
        }
    }
}

/// The operands of a loss in one step.
pub(crate) struct Batch<'a, F> {
    pub loss: &'a Loss,
    pub reduction: Reduction,
    pub layout: LossLayout,
    pub predictions: [&'a [F]; 3],
    pub target: BatchTargets<'a, F>,
    /// The lengths of sequences and their targets, in pairs.
    pub lengths: &'a [u32],
    pub weight: Option<&'a [F]>,
    pub class_weight: Option<&'a [F]>,
    pub upstream: F,
    /// The number of active samples; it may exceed the number of samples.
    pub samples: usize,
}

/// The classes of a loss and their weights.
pub(crate) struct Classes<'a, F> {
    pub count: usize,
    pub ignored: Option<u32>,
    pub weights: Option<&'a [F]>,
}

impl<F: Real> Classes<'_, F> {
    /// The weight of a target: 0 if it is ignored or not a class.
    fn weight(&self, target: u32) -> F {
        if Some(target) == self.ignored || target as usize >= self.count {
            return F::zero();
        }
        let own = |weights: &[F]| weights.get(target as usize).copied().unwrap_or(F::zero());
        self.weights.map_or(F::one(), own)
    }

    /// Writes the factor of each target's term in the value.
    pub(crate) fn row_term_weights(&self, targets: &[u32], reduction: Reduction, out: &mut [F]) {
        let divisor: F = match reduction {
            Reduction::None | Reduction::Sum => F::one(),
            Reduction::Mean => targets.iter().map(|&target| self.weight(target)).sum(),
            Reduction::BatchMean => F::of(targets.len() as f64),
        };
        let factor = if divisor == F::zero() { F::zero() } else { F::one() / divisor };
        let counts = Self { weights: None, ..*self };
        out.fill(F::zero());
        let pairs = out.iter_mut().zip(targets);
        pairs.for_each(|(out, &target)| *out = counts.weight(target) * factor);
    }
}

/// A row of every operand of the prediction's shape, copied if its elements are not contiguous.
#[derive(Default)]
struct RowOperands<F> {
    inputs: [Vec<F>; 3],
    values: Vec<F>,
    classes: Vec<u32>,
}

impl<F: Real> Batch<'_, F> {
    fn active_samples(&self) -> usize {
        self.samples.min(self.layout.samples)
    }

    /// The number of active terms.
    fn terms(&self) -> usize {
        let LossLayout { cols, inner, .. } = self.layout;
        self.active_samples() * if self.loss.is_row_wise() { inner } else { cols }
    }

    /// The factor of a term in the value, before its own weight.
    fn factor(&self) -> F {
        let dtype = matches!(self.target, BatchTargets::Classes(_)).then_some(DType::U32);
        let weighted =
            has_weighted_mean(self.loss, self.reduction, dtype, self.class_weight.is_some());
        if weighted {
            let total = self.total_class_weight();
            return if total == F::zero() { F::zero() } else { F::one() / total };
        }
        match self.layout.terms_per_sample(self.loss, self.reduction) {
            0 => F::one(),
            terms => reciprocal(self.active_samples() * terms),
        }
    }

    /// The sum of the class weights of the active targets.
    fn total_class_weight(&self) -> F {
        let BatchTargets::Classes(targets) = self.target else { return F::zero() };
        let (ignored, weights) = (self.loss.ignore_index(), self.class_weight);
        let classes = Classes { count: self.layout.cols, ignored, weights };
        targets.iter().take(self.terms()).map(|&target| classes.weight(target)).sum()
    }

    /// The weight of each term.
    fn weight(&self, term: usize) -> F {
        let Some(weights) = self.weight else { return F::one() };
        let per_element = weights.len() == self.predictions.first().map_or(0, |p| p.len());
        let index = if self.loss.is_row_wise() || per_element {
            term
        } else {
            term / self.layout.cols.max(1)
        };
        weights.get(index).copied().unwrap_or(F::zero())
    }

    /// Computes the value and the gradient with respect to each input.
    pub(crate) fn run(&self, value: &mut [F], gradients: &mut [Vec<F>]) -> Result<()> {
        let factor = self.factor();
        if self.loss.is_sequence() {
            self.run_sequences(factor, value, gradients)
        } else if let Some(map) = self.loss.map::<F>() {
            self.run_map(map, factor, value, gradients)
        } else if let Some(pass) = self.loss.row::<F>() {
            self.run_rows(*pass, factor, value, gradients)
        } else {
            Ok(())
        }
    }

    /// Multiplies terms by their weights, the first of which is the term of the given number.
    fn apply_weights(&self, first: usize, terms: &mut [F]) {
        if self.weight.is_some() {
            (first..).zip(terms).for_each(|(i, term)| *term = *term * self.weight(i));
        }
    }

    fn run_map(
        &self,
        map: &LossMap<F>,
        factor: F,
        value: &mut [F],
        gradients: &mut [Vec<F>],
    ) -> Result<()> {
        let count = self.terms();
        let scale = self.upstream * factor;
        for (input, out) in gradients.iter_mut().enumerate() {
            let out = self.active(out, count)?;
            threads::split(count, 1, out, |first, out| {
                for (first, out) in (first..).step_by(BLOCK).zip(out.chunks_mut(BLOCK)) {
                    self.by_column(first, out, |values, inputs, out| {
                        (map.gradient)(values, inputs, input, out);
                    });
                    self.keep_nans(first, out);
                    out.iter_mut().for_each(|slope| *slope = scale * *slope);
                    self.apply_weights(first, out);
                }
            });
        }
        let terms = |first: usize, out: &mut [F]| {
            self.by_column(first, out, |values, inputs, out| (map.terms)(values, inputs, out));
            self.keep_nans(first, out);
            self.apply_weights(first, out);
        };
        if self.reduction == Reduction::None {
            let out = self.active(value, count)?;
            threads::split(count, 1, out, |first, out| terms(first, out));
            return Ok(());
        }
        let mut sums = vec![F::zero(); count.div_ceil(BLOCK)];
        threads::split(sums.len(), BLOCK, &mut sums, |first, sums| {
            for (block, place) in (first..).zip(sums) {
                let mut buffer = [F::zero(); BLOCK];
                let out = buffer.split_at_mut(BLOCK.min(count - block * BLOCK)).0;
                terms(block * BLOCK, out);
                *place = sum_of(out, |_, term| term * factor);
            }
        });
        value.fill(sum(&sums));
        Ok(())
    }

    fn run_rows(
        &self,
        pass: Row<F>,
        factor: F,
        value: &mut [F],
        gradients: &mut [Vec<F>],
    ) -> Result<()> {
        let (count, cols) = (self.terms(), self.layout.cols);
        let scale = self.upstream * factor;
        let mut terms = vec![F::zero(); count];
        for (input, out) in gradients.iter_mut().enumerate() {
            if self.layout.inner == 1 {
                let out = self.active(out, count * cols)?;
                self.each_row(pass, (Some(input), scale), &mut terms, out);
                continue;
            }
            out.fill(F::zero());
            let mut slopes = vec![F::zero(); count * cols];
            self.each_row(pass, (Some(input), scale), &mut terms, &mut slopes);
            for (row, slopes) in slopes.chunks(cols.max(1)).enumerate() {
                for (col, &slope) in slopes.iter().enumerate() {
                    *out.get_mut(self.place(row, col)).ok_or_else(|| self.no_room())? = slope;
                }
            }
        }
        if gradients.is_empty() {
            self.each_row(pass, (None, scale), &mut terms, &mut []);
        }
        self.reduce(terms, factor, value)
    }

    /// Computes the term of each row, and the scaled derivatives with respect to an input.
    fn each_row(
        &self,
        pass: Row<F>,
        (input, scale): (Option<usize>, F),
        terms: &mut [F],
        slopes: &mut [F],
    ) {
        let (values, cols) = (self.loss.values_as(), self.layout.cols);
        threads::split_both(terms.len(), 4 * cols, (terms, slopes), |first, terms, slopes| {
            let mut slopes = slopes.chunks_mut(cols.max(1));
            for (row, term) in (first..).zip(terms) {
                let gathered = self.gather(row);
                let view = self.view(row, &gathered);
                let mut gradient = input.zip(slopes.next());
                let own = pass(&values, &view, gradient.as_mut().map(|(i, out)| (*i, &mut **out)));
                let (nan, weight) = (view.nan(), self.weight(row));
                *term = weight * nan.unwrap_or(own);
                for slope in gradient.into_iter().flat_map(|(_, out)| out) {
                    *slope = scale * weight * nan.unwrap_or(*slope);
                }
            }
        });
    }

    fn run_sequences(&self, factor: F, value: &mut [F], gradients: &mut [Vec<F>]) -> Result<()> {
        let log_probs = self.log_probs();
        let scale = self.upstream * factor;
        let mut terms = vec![F::zero(); self.terms()];
        gradients.iter_mut().for_each(|out| out.fill(F::zero()));
        for ((number, sequence), place) in self.sequences(&log_probs).enumerate().zip(&mut terms) {
            let mut slopes = vec![0.0; sequence.log_probs.len()];
            let labels = self.labels(&sequence);
            let wanted =
                (!gradients.is_empty()).then_some((scale.as_f64() / labels, &mut slopes[..]));
            let term = sequence.run(wanted) / labels;
            let infinite = term.is_infinite() && self.drops_infinite();
            *place = F::of(if infinite { 0.0 } else { term });
            let stride = sequence.stride.max(1);
            for out in &mut *gradients {
                let rows = out.chunks_mut(stride).zip(slopes.chunks(stride)).take(sequence.time);
                for (out, slopes) in rows {
                    let own = out.iter_mut().skip(number * sequence.classes);
                    let own = own.take(sequence.classes).zip(slopes);
                    own.for_each(|(out, slope)| *out = F::of(*slope));
                }
            }
        }
        self.apply_weights(0, &mut terms);
        self.reduce(terms, factor, value)
    }

    /// Writes the terms, or their sum or mean.
    fn reduce(&self, terms: Vec<F>, factor: F, value: &mut [F]) -> Result<()> {
        if self.reduction == Reduction::None {
            self.active(value, terms.len())?.copy_from_slice(&terms);
            return Ok(());
        }
        value.fill(sum_of(&terms, |_, term| term * factor));
        Ok(())
    }

    /// The first elements of an output; the rest, of samples that take no part, becomes 0.
    fn active<'b>(&self, out: &'b mut [F], count: usize) -> Result<&'b mut [F]> {
        let (active, rest) = out.split_at_mut_checked(count).ok_or_else(|| self.no_room())?;
        rest.fill(F::zero());
        Ok(active)
    }

    fn no_room(&self) -> Error {
        Error::Internal(format!("{}: an output is too short", self.loss))
    }

    fn drops_infinite(&self) -> bool {
        self.loss.get("zero_infinity") == Some(1.0)
    }

    /// The divisor of a sequence's term in the mean: the length of its target.
    fn labels(&self, sequence: &Sequence<'_>) -> f64 {
        if self.reduction == Reduction::Mean { sequence.target.len().max(1) as f64 } else { 1.0 }
    }

    fn log_probs(&self) -> Vec<f64> {
        let [log_probs, ..] = self.predictions;
        log_probs.iter().map(|x| x.as_f64()).collect()
    }

    /// The active sequences; row t of the first begins with the row t of all samples.
    fn sequences<'b>(&'b self, log_probs: &'b [f64]) -> impl Iterator<Item = Sequence<'b>> {
        let LossLayout { samples, cols, .. } = self.layout;
        let targets = if let BatchTargets::Classes(targets) = self.target { targets } else { &[] };
        let time = log_probs.len() / (samples * cols).max(1);
        let places = targets.len() / samples.max(1);
        (0..self.active_samples()).map(move |sample| {
            let length = |which: usize| {
                self.lengths.get(2 * sample + which).map_or(0, |&length| length as usize)
            };
            let target = targets.get(sample * places..(sample + 1) * places).unwrap_or_default();
            Sequence {
                log_probs: log_probs.get(sample * cols..).unwrap_or_default(),
                time: length(0).min(time),
                stride: samples * cols,
                classes: cols,
                target: target.get(..length(1).min(places)).unwrap_or_default(),
                blank: self.loss.get("blank").unwrap_or(0.0) as usize,
            }
        })
    }

    /// Calls an elementwise pass for the elements from the first on; with weights per column, once for each element, with
    /// its first parameter multiplied by the column's weight.
    fn by_column(
        &self,
        first: usize,
        out: &mut [F],
        pass: impl Fn(&Values<F>, MapInputs<'_, F>, &mut [F]),
    ) {
        let inputs = self.operands().map(|x| x.get(first..first + out.len()).unwrap_or_default());
        let mut values = self.loss.values_as::<F>();
        let Some(weights) = self.class_weight else { return pass(&values, inputs, out) };
        let [parameter, ..] = values;
        for (i, out) in out.iter_mut().enumerate() {
            let col = (first + i) % self.layout.cols.max(1);
            let weight = weights.get(col).copied().unwrap_or(F::one());
            if let Some(place) = values.first_mut() {
                *place = parameter * weight;
            }
            let inputs = inputs.map(|x| x.get(i..=i).unwrap_or_default());
            pass(&values, inputs, std::slice::from_mut(out));
        }
    }

    /// The operands of an elementwise pass.
    fn operands(&self) -> MapInputs<'_, F> {
        let [first, second, _] = self.predictions;
        [first, self.target.values(), second]
    }

    /// Makes a result NaN if one of its operands is, whatever the formula makes of it.
    fn keep_nans(&self, first: usize, out: &mut [F]) {
        for operand in self.operands() {
            let pairs = out.iter_mut().zip(operand.get(first..).unwrap_or_default());
            pairs.for_each(|(out, &x)| *out = if x.is_nan() { x } else { *out });
        }
    }

    fn place(&self, row: usize, col: usize) -> usize {
        let LossLayout { cols, inner, .. } = self.layout;
        (row / inner.max(1) * cols + col) * inner + row % inner.max(1)
    }

    fn gather(&self, row: usize) -> RowOperands<F> {
        let places = (0..self.layout.cols).map(|col| self.place(row, col));
        let strided = self.layout.inner > 1;
        let pick = |data: &[F]| -> Vec<F> {
            if !strided {
                return Vec::new();
            }
            places.clone().filter_map(|place| data.get(place).copied()).collect()
        };
        let classes = match self.target {
            BatchTargets::Classes(classes) if strided => {
                places.clone().filter_map(|place| classes.get(place).copied()).collect()
            }
            _ => Vec::new(),
        };
        RowOperands {
            inputs: self.predictions.map(pick),
            values: pick(self.target.values()),
            classes,
        }
    }

    fn view<'b>(&'b self, row: usize, gathered: &'b RowOperands<F>) -> RowView<'b, F> {
        let range = row * self.layout.cols..(row + 1) * self.layout.cols;
        let strided = self.layout.inner > 1;
        let mut inputs: [&[F]; 3] = [&[]; 3];
        for (place, (all, own)) in
            inputs.iter_mut().zip(self.predictions.iter().zip(&gathered.inputs))
        {
            *place = if strided { own } else { all.get(range.clone()).unwrap_or_default() };
        }
        let target = match (self.target, self.loss.target_forms()) {
            (BatchTargets::Nothing, _) => RowTarget::Nothing,
            (BatchTargets::Values(values), [TargetForm::Number]) => {
                RowTarget::Number(values.get(row).copied().unwrap_or(F::zero()))
            }
            (BatchTargets::Values(_), _) if strided => RowTarget::Values(&gathered.values),
            (BatchTargets::Values(values), _) => {
                RowTarget::Values(values.get(range).unwrap_or_default())
            }
            (BatchTargets::Classes(_), [TargetForm::ClassList]) if strided => {
                RowTarget::ClassList(&gathered.classes)
            }
            (BatchTargets::Classes(classes), [TargetForm::ClassList]) => {
                RowTarget::ClassList(classes.get(range).unwrap_or_default())
            }
            (BatchTargets::Classes(classes), _) => {
                RowTarget::Class(classes.get(row).copied().unwrap_or(u32::MAX))
            }
        };
        RowView { inputs, target, class_weight: self.class_weight }
    }
}
