//! Elementwise losses.

use super::Operands;
use crate::engine::gpu::kernel::Rows;
use crate::engine::gpu::lower::{Lowering, SUM, Total};
use crate::engine::gpu::memory::Region;
use crate::error::Result;
use crate::ops::loss::kernels;
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
            (None, _) => 0u32,
            (Some(_), false) => 1,
            (Some(_), true) => 2,
        };
        let parts = operands.parts(operands.weight.is_some());
        let rows = Rows { lanes: blocks.lanes, ..Rows::PLAIN };
        let kernel = |with| kernels::loss(loss, operands.form, rows, with);
        for (input, with) in self.passes(parts, gradients.len(), kernel) {
            let call = operands
                .bind(self.call(kernel(with)), operands.weight.as_ref())
                .bind_some("target_values", operands.target.as_ref())
                .bind_some("values", with.value.then_some(&values))
                .bind_some("grad", gradients.get(input).filter(|_| with.gradient))
                .fields(blocks.fields)
                .fields([("cols", layout.cols), ("terms_per_row", terms_per_row)])
                .field("writes", u32::from(each) + 2 * u32::from(with.gradient))
                .field("weights", weights)
                .field("input", input)
                .groups(blocks.groups);
            self.push(call)?;
        }
        if each {
            return Ok(());
        }
        let total = Total { square: false, terms_per_row, rows: layout.samples };
        self.sum(values, count, value, total)
    }
}
