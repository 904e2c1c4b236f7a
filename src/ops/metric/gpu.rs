//! The dispatches.

use super::{MetricOp, kernels};
use crate::error::Result;
use crate::gpu::lower::{Lowering, ROW, SUM, Total, groups};
use crate::ops::loss::kernels::target_name;
use crate::program::{DType, Slot};
use crate::spec::Metric;
use crate::spec::loss::TargetForm;
use crate::spec::metric::Mode;

impl MetricOp {
    /// Adds its dispatches.
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
        let (prediction, target_region) = (self.region(prediction)?, self.region(target)?);
        let out = self.region(value)?;
        if let Some(k) = metric.top() {
            let each = self.shape(value)?.rank() > 0;
            if shape.is_empty() {
                // Without classes none is right.
                return self.clear(out, if each { shape.rows() } else { 1 });
            }
            let rows = shape.rows();
            let terms = if each { out.clone() } else { self.scratch(rows)? };
            let classes = self.program.slot(target)?.dtype == DType::U32;
            let k = k.min(shape.cols());
            // Two loops, number by number.
            let lanes = self.row_lanes(&metric.to_string(), rows, shape.cols(), 2)?;
            let form = if classes { TargetForm::Class } else { TargetForm::Values };
            let call = self
                .call(kernels::accuracy(form, self.meeting(lanes)))
                .bind("prediction", &prediction)
                .bind(target_name(form), &target_region)
                .bind("terms", &terms)
                .fields([("rows", rows), ("cols", shape.cols()), ("k", k), ("lanes", lanes)])
                .groups(groups(rows, ROW / lanes));
            self.push(call)?;
            if each {
                return Ok(());
            }
            let total = Total { square: false, terms_per_row: 1, rows: shape.rows() };
            return self.sum(terms, rows, out, total);
        }
        let Some(agreement) = metric.agrees() else { return Ok(()) };
        let (blocks, count) = (self.blocks(shape.len()), shape.len().div_ceil(SUM));
        let partial = self.scratch(count)?;
        let mode = match agreement.mode {
            Mode::Near => 0.0,
            Mode::Side => 1.0,
            Mode::Explained => 2.0,
            Mode::Outside => 3.0,
        };
        // The rest of its parameters only a loss reads.
        let unread = ["terms_per_row", "writes", "weights", "input", "upstream"];
        let call = self
            .call(kernels::agreement(blocks.lanes))
            .bind("prediction", &prediction)
            .bind("target_values", &target_region)
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
}
