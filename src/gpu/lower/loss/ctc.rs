//! The loss of sequences.

use super::super::Lowering;
use super::super::ops::Total;
use crate::error::Result;
use crate::gpu::kernel::Rows;
use crate::gpu::kernel::catalogue::{self, Parts};
use crate::program::{Layout, Slot};
use crate::spec::loss::TargetForm;
use crate::spec::{Loss, Reduction};

impl Lowering<'_> {
    pub(super) fn ctc(
        &mut self,
        loss: &Loss,
        reduction: Reduction,
        [log_probs, target, lengths]: [Slot; 3],
        value: Slot,
        gradient: Option<&Slot>,
        upstream: f64,
    ) -> Result<()> {
        let shape = self.shape(log_probs)?;
        let Layout { samples, cols, .. } = Layout::of(loss, shape);
        let time = shape.axis(0).unwrap_or(0);
        let places = self.shape(target)?.cols();
        let each = reduction == Reduction::None;
        let value = self.region(value)?;
        let terms = if each { value.clone() } else { self.scratch(samples)? };
        let work = self.scratch(samples * ((time + 2) * (2 * places + 1) + places))?;
        let divides = matches!(reduction, Reduction::Mean | Reduction::BatchMean);
        let fields = [
            time as u32,
            samples as u32,
            cols as u32,
            places as u32,
            u32::from(reduction == Reduction::Mean),
            u32::from(divides),
            u32::from(gradient.is_some()),
            (upstream as f32).to_bits(),
        ];
        let grad = gradient.map_or_else(|| self.scratch(1), |slot| self.region(*slot))?;
        let bindings = vec![
            self.memory.steps.clone(),
            self.region(log_probs)?,
            self.region(target)?,
            self.region(lengths)?,
            work,
            terms.clone(),
            grad,
        ];
        let kernel = catalogue::loss(loss, TargetForm::ClassList, Rows::PLAIN, Parts::PLAIN);
        self.push(kernel, &fields, loss.values(), bindings, samples as u64, 0)?;
        if each {
            return Ok(());
        }
        let total = Total { square: false, terms_per_row: usize::from(divides), rows: samples };
        self.sum(terms, samples, value, total)
    }
}
