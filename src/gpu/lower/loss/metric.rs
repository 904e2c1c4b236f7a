//! Metrics.

use super::super::ops::{SUM, Total};
use super::super::rows::ROW;
use super::super::{Lowering, groups};
use crate::error::Result;
use crate::gpu::kernel::catalogue;
use crate::program::{DType, Slot};
use crate::spec::Metric;
use crate::spec::metric::Mode;

impl Lowering<'_> {
    pub(in crate::gpu::lower) fn metric(
        &mut self,
        metric: Metric,
        [prediction, target]: [Slot; 2],
        value: Slot,
    ) -> Result<()> {
        let shape = self.shape(prediction)?;
        let inputs = [self.memory.steps.clone(), self.region(prediction)?, self.region(target)?];
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
            let bindings = [&inputs[..], std::slice::from_ref(&terms)].concat();
            let k = k.min(shape.cols()) as u32;
            // Two loops, number by number.
            let lanes = self.row_lanes(&metric.to_string(), rows, shape.cols(), 2)?;
            let fields = [rows as u32, shape.cols() as u32, k, lanes as u32];
            let count = groups(rows, ROW / lanes);
            let kernel = catalogue::accuracy(classes, self.meeting(lanes));
            self.push(kernel, &fields, &[], bindings, count, 0)?;
            if each {
                return Ok(());
            }
            let total = Total { square: false, terms_per_row: 1, rows: shape.rows() };
            return self.sum(terms, rows, out, total);
        }
        let Some(agreement) = metric.agrees() else { return Ok(()) };
        let (blocks, count) = (self.blocks(shape.len()), shape.len().div_ceil(SUM));
        let partial = self.scratch(count)?;
        let absent = self.or_unused(None);
        let bindings = [&inputs[..], &[absent.clone(), partial.clone(), absent]].concat();
        let mode = match agreement.mode {
            Mode::Near => 0.0,
            Mode::Side => 1.0,
            Mode::Explained => 2.0,
            Mode::Outside => 3.0,
        };
        let [len, lanes] = blocks.fields;
        let fields = [len, lanes, shape.cols() as u32, 0, 0, 0, 0, 0];
        let kernel = catalogue::agreement(blocks.lanes);
        self.push(kernel, &fields, &[mode, agreement.limit], bindings, blocks.groups, 0)?;
        let total = Total { square: false, terms_per_row: shape.cols(), rows: shape.rows() };
        self.sum(partial, count, out, total)
    }
}
