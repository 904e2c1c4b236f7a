//! Row-wise losses.

use super::{ClassOperands, Operands};
use crate::engine::gpu::kernel::Rows;
use crate::engine::gpu::lower::{Lowering, ROW, Total, groups};
use crate::engine::gpu::memory::Region;
use crate::error::Result;
use crate::ir::DType;
use crate::ops::loss::has_weighted_mean;
use crate::ops::loss::kernels;
use crate::spec::Reduction;
use crate::spec::loss::TargetForm;

/// The scale of a row's terms: a weight per row, or a divisor.
enum Scale {
    None,
    PerRow(Region),
    Divisor(Region),
}

impl Lowering<'_> {
    /// The weights and the divisor that the plain mean does not include.
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
        let classes = ClassOperands {
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
        classes: &ClassOperands,
        target: Region,
        rows: usize,
        out: Region,
    ) -> Result<()> {
        let call = self
            .call(kernels::target_weight(classes.weight.is_some()))
            .bind("target_class", &target)
            .bind_some("class_weight", classes.weight.as_ref())
            .bind("y", &out)
            .fields([("rows", rows), ("cols", classes.count), ("inner", classes.inner)])
            .field("ignored", classes.ignored.unwrap_or(u32::MAX))
            .groups(groups(rows, 64));
        self.push(call)
    }

    /// The sum of the weights of the targets.
    fn total_weight(
        &mut self,
        classes: &ClassOperands,
        target: Region,
        rows: usize,
    ) -> Result<Region> {
        let (weights, total) = (self.scratch(rows)?, self.scratch(1)?);
        self.target_weights(classes, target, rows, weights.clone())?;
        self.sum(weights, rows, total.clone(), Total::SUM)?;
        Ok(total)
    }

    fn divide(&mut self, x: Region, divisor: Region, rows: usize, out: Region) -> Result<()> {
        let call = self
            .call(kernels::divide())
            .bind("x", &x)
            .bind("divisor", &divisor)
            .bind("y", &out)
            .field("len", rows)
            .groups(groups(rows, 64));
        self.push(call)
    }

    /// Writes the factor of each target's term in the value.
    pub(super) fn row_term_weights(
        &mut self,
        classes: &ClassOperands,
        target: Region,
        rows: usize,
        reduction: Reduction,
        out: Region,
    ) -> Result<()> {
        let counted = ClassOperands { weight: None, ..classes.clone() };
        let divisor = match reduction {
            Reduction::None | Reduction::Sum => {
                return self.target_weights(&counted, target, rows, out);
            }
            Reduction::Mean => classes.clone(),
            Reduction::BatchMean => ClassOperands { ignored: None, ..counted.clone() },
        };
        let divisor = self.total_weight(&divisor, target.clone(), rows)?;
        let counts = self.scratch(rows)?;
        self.target_weights(&counted, target, rows, counts.clone())?;
        self.divide(counts, divisor, rows, out)
    }

    /// Computes, for each class, the sums over the pairs of a listed and an unlisted class.
    fn margin_pairs(&mut self, operands: &Operands<'_>, list: Region) -> Result<Region> {
        let Operands { loss, layout, .. } = operands;
        let (cols, len) = (layout.cols, layout.rows() * layout.cols);
        self.check_turns(loss.name(), cols + 1)?;
        let (times, pairs) = (self.scratch(len)?, self.scratch(2 * len)?);
        let over = |kernel| {
            let call = self.call(kernel).bind("target_list", &list).bind("times", &times);
            call.fields([("len", len), ("cols", cols)]).groups(groups(len, 64))
        };
        let count = over(kernels::times_listed());
        let compare = over(kernels::margin_pairs()).bind("pairs", &pairs);
        self.push(count)?;
        self.push(compare.bind_some("prediction", operands.predictions.first()))?;
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
            Scale::None => (0u32, None),
            Scale::PerRow(region) => (1, Some(region)),
            Scale::Divisor(region) => (2, Some(region)),
        };
        let terms = if each { value.clone() } else { self.scratch(rows)? };
        let lanes = self.row_lanes(loss.name(), rows, layout.cols, 1)?;
        let target = match (form, &operands.target) {
            (TargetForm::ClassList, Some(list)) => Some(self.margin_pairs(operands, list.clone())?),
            (_, target) => target.clone(),
        };
        let target_name = kernels::target_name(*form);
        let way = Rows::of(layout.cols, layout.inner, self.reduction_scope(lanes));
        let kernel = |with| kernels::loss(loss, *form, way, with);
        let parts = operands.parts(weight.is_some());
        for (input, with) in self.passes(parts, gradients.len(), kernel) {
            let call = operands
                .bind(self.call(kernel(with)), weight.as_ref())
                .bind_some(target_name, target.as_ref())
                .bind_some("values", with.value.then_some(&terms))
                .bind_some("grad", gradients.get(input).filter(|_| with.gradient))
                .fields([("rows", rows), ("cols", layout.cols), ("inner", layout.inner)])
                .fields([("lanes", lanes), ("terms_per_sample", terms_per_sample)])
                .field("writes", with.gradient)
                .field("scaled", scaled)
                .field("input", input)
                .groups(groups(rows, ROW / lanes));
            self.push(call)?;
        }
        if each {
            return Ok(());
        }
        let total = Total { square: false, terms_per_row: terms_per_sample, rows: layout.samples };
        self.sum(terms, rows, value, total)
    }
}
