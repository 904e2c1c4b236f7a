//! The GPU dispatches.

use super::{MetricOp, kernels};
use crate::engine::gpu::lower::{Lowering, ROW, SUM, Total, groups};
use crate::error::Result;
use crate::ir::{DType, Slot};
use crate::ops::loss::kernels::target_name;
use crate::spec::Metric;
use crate::spec::loss::TargetForm;
use crate::spec::metric::Mode;

impl MetricOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        lowering.metric(self.metric, [self.prediction, self.target], self.value)
    }
}

impl Lowering<'_> {
    fn metric(
        &mut self,
        metric: Metric,
        [prediction, target]: [Slot; 2],
        value: Slot,
    ) -> Result<()> {
        let shape = self.shape(prediction)?;
        if let Some(k) = metric.top() {
            return self.right_rows((metric, k), [prediction, target], value);
        }
        let Some(agreement) = metric.agrees() else { return Ok(()) };
        let [prediction, target, out] = [prediction, target, value].map(|slot| self.region(slot));
        let (prediction, target, out) = (prediction?, target?, out?);
        let (blocks, count) = (self.blocks(shape.len()), shape.len().div_ceil(SUM));
        let partial = self.scratch(count)?;
        let mode = match agreement.mode {
            Mode::Near => 0.0,
            Mode::Side => 1.0,
            Mode::Explained => 2.0,
            Mode::Outside => 3.0,
            Mode::Distance => 4.0,
        };
        // The remaining parameters are only read by losses.
        let unread = ["terms_per_row", "writes", "weights", "input", "upstream"];
        let call = self
            .call(kernels::agreement(blocks.lanes))
            .bind("prediction", &prediction)
            .bind("target_values", &target)
            .bind("values", &partial)
            .fields(blocks.fields)
            .field("cols", shape.cols())
            .fields(unread.map(|name| (name, 0u32)))
            .hyper([("mode", mode), ("limit", agreement.limit)])
            .groups(blocks.groups);
        self.push(call)?;
        let total = Total { square: false, terms_per_row: shape.cols(), rows: shape.rows() };
        self.sum(partial, count, out, total)
    }

    /// Computes which rows have their class among the k largest scores: a term for each row, or their mean.
    fn right_rows(
        &mut self,
        (metric, k): (Metric, usize),
        [prediction, target]: [Slot; 2],
        value: Slot,
    ) -> Result<()> {
        let shape = self.shape(prediction)?;
        let (each, out) = (self.shape(value)?.rank() > 0, self.region(value)?);
        if shape.is_empty() {
            // Without classes no row is right.
            return self.clear(out, if each { shape.rows() } else { 1 });
        }
        let rows = shape.rows();
        let terms = if each { out.clone() } else { self.scratch(rows)? };
        let form = match self.program.slot(target)?.dtype {
            DType::U32 => TargetForm::Class,
            DType::F32 => TargetForm::Values,
        };
        // Two loops, one element at a time.
        let lanes = self.row_lanes(&metric.to_string(), rows, shape.cols(), 2)?;
        let (prediction, target) = (self.region(prediction)?, self.region(target)?);
        let (cols, k) = (shape.cols(), k.min(shape.cols()));
        let call = self
            .call(kernels::accuracy(form, self.reduction_scope(lanes)))
            .bind("prediction", &prediction)
            .bind(target_name(form), &target)
            .bind("terms", &terms)
            .fields([("rows", rows), ("cols", cols), ("k", k), ("lanes", lanes)])
            .groups(groups(rows, ROW / lanes));
        self.push(call)?;
        if each {
            return Ok(());
        }
        self.sum(terms, rows, out, Total { square: false, terms_per_row: 1, rows })
    }
}
