//! Elementwise losses.

use super::super::Lowering;
use super::super::ops::{SUM, Total};
use super::Operands;
use crate::error::Result;
use crate::gpu::kernel::Rows;
use crate::gpu::kernel::catalogue;
use crate::gpu::memory::Region;
use crate::spec::Reduction;

impl Lowering<'_> {
    pub(super) fn map_loss(
        &mut self,
        operands: &Operands<'_>,
        value: Region,
        gradients: &[Region],
        len: usize,
    ) -> Result<()> {
        let Operands { loss, reduction, layout, .. } = operands;
        let each = *reduction == Reduction::None;
        let (blocks, count) = (self.blocks(len), len.div_ceil(SUM));
        let values = if each { value.clone() } else { self.scratch(count)? };
        let terms_per_row = layout.terms_per_sample(loss, *reduction);
        let weights = match (&operands.weight, operands.per_element) {
            (None, _) => 0,
            (Some(_), false) => 1,
            (Some(_), true) => 2,
        };
        let second = operands.predictions.get(1).or(operands.class_weight.as_ref());
        let takes_more = loss.inputs() > 1 || loss.takes_class_weight();
        let last = if takes_more { vec![self.or_unused(second)] } else { vec![] };
        let parts = operands.parts(operands.weight.is_some());
        let rows = Rows { lanes: blocks.lanes, ..Rows::PLAIN };
        let kernel = |with| catalogue::loss(loss, operands.form, rows, with);
        for (input, with) in self.passes(parts, gradients.len(), kernel) {
            let [len, lanes] = blocks.fields;
            let fields = [
                len,
                lanes,
                layout.cols as u32,
                terms_per_row as u32,
                u32::from(each) + 2 * u32::from(with.gradient),
                weights,
                input as u32,
                (operands.upstream as f32).to_bits(),
            ];
            let mut bindings = vec![
                self.memory.steps.clone(),
                self.or_unused(operands.predictions.first()),
                self.or_unused(operands.target.as_ref()),
                self.or_unused(operands.weight.as_ref()),
                values.clone(),
                self.or_unused(gradients.get(input)),
            ];
            bindings.extend(last.iter().cloned());
            self.push(kernel(with), &fields, loss.values(), bindings, blocks.groups, 0)?;
        }
        if each {
            return Ok(());
        }
        let total = Total { square: false, terms_per_row, rows: layout.samples };
        self.sum(values, count, value, total)
    }
}
