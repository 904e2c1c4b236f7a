//! Row-wise losses.

use super::super::ops::Total;
use super::super::rows::ROW;
use super::super::{Lowering, groups};
use super::{Classes, Operands};
use crate::error::Result;
use crate::gpu::kernel::Rows;
use crate::gpu::kernel::catalogue;
use crate::gpu::memory::Region;
use crate::program::{DType, has_weighted_mean};
use crate::spec::Reduction;
use crate::spec::loss::TargetForm;

/// How a row's terms are scaled: by a weight per row, or by one number to divide by.
enum Scale {
    None,
    PerRow(Region),
    Divisor(Region),
}

impl Lowering<'_> {
    /// Weights and divisors that the plain mean does not know.
    fn row_scale(&mut self, operands: &Operands<'_>) -> Result<Scale> {
        let Operands { loss, reduction, layout, .. } = operands;
        let dtype = (operands.form == TargetForm::Class).then_some(DType::U32);
        let class_weight = operands.class_weight.is_some();
        let weight = operands.weight.clone();
        let target = operands
            .target
            .as_ref()
            .filter(|_| has_weighted_mean(loss, *reduction, dtype, class_weight));
        let Some(target) = target else { return Ok(weight.map_or(Scale::None, Scale::PerRow)) };
        let classes = Classes {
            weight: operands.class_weight.clone(),
            count: layout.cols,
            inner: layout.inner,
            ignored: loss.ignore_index(),
        };
        let rows = layout.rows();
        let divisor = self.total_weight(&classes, target.clone(), rows)?;
        let Some(weight) = weight else { return Ok(Scale::Divisor(divisor)) };
        let scale = self.scratch(rows)?;
        self.divide(weight, divisor, rows, scale.clone())?;
        Ok(Scale::PerRow(scale))
    }

    /// The weight of each target.
    fn target_weights(
        &mut self,
        classes: &Classes,
        target: Region,
        rows: usize,
        out: Region,
    ) -> Result<()> {
        let words = [rows, classes.count, classes.inner].map(|word| word as u32);
        let weighted = u32::from(classes.weight.is_some());
        let fields = [&words[..], &[classes.ignored.unwrap_or(u32::MAX), weighted]].concat();
        let weight = self.or_unused(classes.weight.as_ref());
        let bindings = vec![self.memory.steps.clone(), target, weight, out];
        self.push(catalogue::target_weight(), &fields, &[], bindings, groups(rows, 64), 0)
    }

    /// The sum of the weights of the targets.
    fn total_weight(&mut self, classes: &Classes, target: Region, rows: usize) -> Result<Region> {
        let (weights, total) = (self.scratch(rows)?, self.scratch(1)?);
        self.target_weights(classes, target, rows, weights.clone())?;
        self.sum(weights, rows, total.clone(), Total::SUM)?;
        Ok(total)
    }

    fn divide(&mut self, x: Region, divisor: Region, rows: usize, out: Region) -> Result<()> {
        let bindings = vec![x, divisor, out];
        self.push(catalogue::divide(), &[rows as u32], &[], bindings, groups(rows, 64), 0)
    }

    /// What the term of each target is multiplied by in the value.
    pub(in crate::gpu::lower) fn row_shares(
        &mut self,
        classes: &Classes,
        target: Region,
        rows: usize,
        reduction: Reduction,
        out: Region,
    ) -> Result<()> {
        let counted = Classes { weight: None, ..classes.clone() };
        let divisor = match reduction {
            Reduction::None | Reduction::Sum => {
                return self.target_weights(&counted, target, rows, out);
            }
            Reduction::Mean => classes.clone(),
            Reduction::BatchMean => Classes { ignored: None, ..counted.clone() },
        };
        let divisor = self.total_weight(&divisor, target.clone(), rows)?;
        let counts = self.scratch(rows)?;
        self.target_weights(&counted, target, rows, counts.clone())?;
        self.divide(counts, divisor, rows, out)
    }

    /// What the pairs of the classes in a list and the others come to, for each class.
    fn margin_pairs(&mut self, operands: &Operands<'_>, list: Region) -> Result<Region> {
        let Operands { loss, layout, .. } = operands;
        let (cols, len) = (layout.cols, layout.rows() * layout.cols);
        self.check_turns(loss.name(), cols + 1)?;
        let (times, pairs) = (self.scratch(len)?, self.scratch(2 * len)?);
        let (fields, count) = ([len, cols].map(|word| word as u32), groups(len, 64));
        let bindings = vec![list.clone(), times.clone()];
        self.push(catalogue::times_listed(), &fields, &[], bindings, count, 0)?;
        let bindings =
            vec![self.or_unused(operands.predictions.first()), list, times, pairs.clone()];
        self.push(catalogue::margin_pairs(), &fields, &[], bindings, count, 0)?;
        Ok(pairs)
    }

    pub(super) fn row_loss(
        &mut self,
        operands: &Operands<'_>,
        value: Region,
        gradients: &[Region],
    ) -> Result<()> {
        let Operands { loss, reduction, layout, form, .. } = operands;
        let each = *reduction == Reduction::None;
        let rows = layout.rows();
        let scale = self.row_scale(operands)?;
        let class_weight = operands.class_weight.is_some();
        let dtype = (*form == TargetForm::Class).then_some(DType::U32);
        let divided = has_weighted_mean(loss, *reduction, dtype, class_weight);
        let terms_per_sample = if divided { 0 } else { layout.terms_per_sample(loss, *reduction) };
        let (scaled, weight) = match scale {
            Scale::None => (0, None),
            Scale::PerRow(region) => (1, Some(region)),
            Scale::Divisor(region) => (2, Some(region)),
        };
        let terms = if each { value.clone() } else { self.scratch(rows)? };
        let lanes = self.row_lanes(loss.name(), rows, layout.cols, 1)?;
        // The second and third binding of a row: the target or another input, and whatever else the loss takes.
        let [_, others @ ..] = &operands.predictions[..] else { return Ok(()) };
        let mut more = operands.target.iter().chain(others);
        let mut target = self.or_unused(more.next());
        if *form == TargetForm::ClassList {
            target = self.margin_pairs(operands, target)?;
        }
        let last = match more.next() {
            Some(region) => Some(region.clone()),
            None if loss.takes_class_weight() => {
                Some(self.or_unused(operands.class_weight.as_ref()))
            }
            None => None,
        };
        let way = Rows::of(layout.cols, layout.inner, self.meeting(lanes));
        let kernel = |with| catalogue::loss(loss, *form, way, with);
        let parts = operands.parts(weight.is_some());
        for (input, with) in self.passes(parts, gradients.len(), kernel) {
            let fields = [
                rows as u32,
                layout.cols as u32,
                layout.inner as u32,
                lanes as u32,
                terms_per_sample as u32,
                u32::from(with.gradient),
                scaled,
                input as u32,
                (operands.upstream as f32).to_bits(),
            ];
            let mut bindings = vec![
                self.memory.steps.clone(),
                self.or_unused(operands.predictions.first()),
                target.clone(),
                self.or_unused(weight.as_ref()),
                terms.clone(),
                self.or_unused(gradients.get(input)),
            ];
            bindings.extend(last.clone());
            let count = groups(rows, ROW / lanes);
            self.push(kernel(with), &fields, loss.values(), bindings, count, 0)?;
        }
        if each {
            return Ok(());
        }
        let total = Total { square: false, terms_per_row: terms_per_sample, rows: layout.samples };
        self.sum(terms, rows, value, total)
    }
}
