//! The GPU dispatches.

mod ctc;
mod map;
mod row;

use crate::engine::gpu::kernel::Kernel;
use crate::engine::gpu::lower::{Call, Lowering, groups};
use crate::engine::gpu::memory::Region;
use crate::error::Result;
use crate::ir::{DType, LossInputs, Slot};
use crate::ops::loss::LossLayout;
use crate::ops::loss::LossOp;
use crate::ops::loss::kernels::{self, LossParts};
use crate::spec::loss::TargetForm;
use crate::spec::{Loss, Reduction};

/// A loss with the memory regions of its operands.
struct Operands<'a> {
    loss: &'a Loss,
    reduction: Reduction,
    layout: LossLayout,
    form: TargetForm,
    predictions: Vec<Region>,
    target: Option<Region>,
    weight: Option<Region>,
    per_element: bool,
    class_weight: Option<Region>,
    upstream: f64,
}

/// The classes of a loss and their weights.
#[derive(Clone)]
pub(super) struct ClassOperands {
    pub weight: Option<Region>,
    pub count: usize,
    /// Rows per sample.
    pub inner: usize,
    pub ignored: Option<u32>,
}

impl Operands<'_> {
    /// Binds what every loss kernel takes; `weight` is that of rows or elements.
    fn bind(&self, call: Call, weight: Option<&Region>) -> Call {
        let inputs = ["prediction", "second", "third"].into_iter().zip(&self.predictions);
        call.bind_all(inputs.map(|(name, region)| (name, region.clone())))
            .bind_some("weight", weight)
            .bind_some("class_weight", self.class_weight.as_ref())
            .field("upstream", self.upstream as f32)
            .hyper(self.loss.pairs())
    }

    /// The parts that its kernels bind if one computes both value and gradient.
    fn parts(&self, weight: bool) -> LossParts {
        LossParts { weight, class_weight: self.class_weight.is_some(), ..LossParts::PLAIN }
    }
}

impl LossOp {
    /// Adds the op's dispatches.
    pub(crate) fn lower(&self, lowering: &mut Lowering<'_>) -> Result<()> {
        match self {
            Self::Loss { loss, reduction, inputs, value, gradients } => {
                lowering.loss(loss, *reduction, inputs, *value, gradients)
            }
            Self::RowWeights { target, class_weight, classes, ignored, reduction, out } => {
                let classes = ClassOperands {
                    weight: class_weight.map(|slot| lowering.region(slot)).transpose()?,
                    count: *classes,
                    inner: 1,
                    ignored: *ignored,
                };
                let rows = lowering.shape(*out)?.len();
                let (target, out) = (lowering.region(*target)?, lowering.region(*out)?);
                lowering.row_term_weights(&classes, target, rows, *reduction, out)
            }
            Self::OneHot { target, out } => {
                let shape = lowering.shape(*out)?;
                let call = lowering
                    .call(kernels::one_hot())
                    .bind("target_class", &lowering.region(*target)?)
                    .bind("y", &lowering.region(*out)?)
                    .field("len", shape.len())
                    .field("cols", shape.cols())
                    .groups(groups(shape.len(), 64));
                lowering.push(call)
            }
            Self::CheckClasses { target, classes, ignored, count, first } => {
                let shape = lowering.shape(*target)?;
                let rows = shape.axis(0).unwrap_or(1);
                let per_row = shape.len() / rows.max(1);
                // Without an ignored index, a valid class stands in for it.
                let ignored = ignored.unwrap_or(0);
                lowering.check_turns("check_classes", shape.len().div_ceil(1024))?;
                let call = lowering
                    .call(kernels::check_classes())
                    .bind("target_class", &lowering.region(*target)?)
                    .bind("count", &lowering.region(*count)?)
                    .bind("first_row", &lowering.region(*first)?)
                    .fields([("rows", rows), ("cols", *classes), ("per_row", per_row)])
                    .field("ignored", ignored);
                lowering.push(call)
            }
        }
    }
}

impl Lowering<'_> {
    pub(super) fn loss(
        &mut self,
        loss: &Loss,
        reduction: Reduction,
        inputs: &LossInputs,
        value: Slot,
        gradients: &[Slot],
    ) -> Result<()> {
        let Some(&first) = inputs.predictions.first() else { return Ok(()) };
        let shape = self.shape(first)?;
        if let (true, Some(target), Some(lengths)) =
            (loss.is_sequence(), inputs.target, inputs.lengths)
        {
            let operands = [first, target, lengths];
            return self.ctc(loss, reduction, operands, value, gradients.first(), inputs.upstream);
        }
        let region = |slot: Option<Slot>| slot.map(|slot| self.region(slot)).transpose();
        let regions = |slots: &[Slot]| -> Result<Vec<Region>> {
            slots.iter().map(|slot| self.region(*slot)).collect()
        };
        let operands = Operands {
            loss,
            reduction,
            layout: LossLayout::of(loss, shape),
            form: self.target_form(loss, inputs.target)?,
            predictions: regions(&inputs.predictions)?,
            target: region(inputs.target)?,
            weight: region(inputs.weight)?,
            per_element: match inputs.weight {
                Some(weight) => self.shape(weight)? == shape,
                None => false,
            },
            class_weight: region(inputs.class_weight)?,
            upstream: inputs.upstream,
        };
        let gradients = regions(gradients)?;
        let value = self.region(value)?;
        if loss.is_row_wise() {
            self.row_loss(&operands, value, &gradients)
        } else {
            self.map_loss(&operands, value, &gradients, shape.len())
        }
    }

    fn target_form(&self, loss: &Loss, target: Option<Slot>) -> Result<TargetForm> {
        let forms = loss.target_forms();
        let Some(target) = target else { return Ok(TargetForm::Nothing) };
        let dtype = self.program.slot(target)?.dtype;
        let classes = |form: &&TargetForm| {
            matches!(form, TargetForm::Class | TargetForm::ClassList) == (dtype == DType::U32)
        };
        Ok(forms.iter().find(classes).copied().unwrap_or(TargetForm::Values))
    }

    /// The dispatches of a loss with gradients with respect to `gradients` inputs: for each, the input of its gradient,
    /// and its parts. One dispatch computes the value and the first gradient, unless that exceeds the device's binding
    /// limit.
    fn passes(
        &self,
        parts: LossParts,
        gradients: usize,
        kernel: impl Fn(LossParts) -> Kernel,
    ) -> Vec<(usize, LossParts)> {
        let most = u64::from(self.gpu.limits().max_storage_buffers_per_shader_stage);
        let together = gradients > 0 && kernel(parts).storage_buffers() <= most;
        let value = (0, LossParts { gradient: together, ..parts });
        let by = (usize::from(together)..gradients)
            .map(|input| (input, LossParts { value: false, ..parts }));
        std::iter::once(value).chain(by).collect()
    }
}
