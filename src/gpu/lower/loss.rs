//! Losses and metrics.

use super::ops::{SUM, Total};
use super::rows::{ROW, lanes};
use super::{Lowering, groups};
use crate::error::Result;
use crate::gpu::kernel::catalogue::{self, Parts};
use crate::gpu::kernel::{Kernel, Rows};
use crate::gpu::memory::Region;
use crate::program::{DType, Layout, LossInputs, Slot, has_weighted_mean};
use crate::spec::loss::TargetForm;
use crate::spec::metric::Mode;
use crate::spec::{Loss, Metric, Reduction};

/// A loss with its operands in memory.
struct Operands<'a> {
    loss: &'a Loss,
    reduction: Reduction,
    layout: Layout,
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
pub(super) struct Classes {
    pub weight: Option<Region>,
    pub count: usize,
    /// Rows per sample.
    pub inner: usize,
    pub ignored: Option<u32>,
}

impl Operands<'_> {
    /// What its kernels bind for value and gradient together.
    fn parts(&self, weight: bool) -> Parts {
        Parts { weight, class_weight: self.class_weight.is_some(), ..Parts::PLAIN }
    }
}

/// How a row's terms are scaled: by a weight per row, or by one number to divide by.
enum Scale {
    None,
    PerRow(Region),
    Divisor(Region),
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
            layout: Layout::of(loss, shape),
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
            self.row_loss(&operands, value, &gradients, shape.is_empty())
        } else {
            self.map_loss(&operands, value, &gradients, shape.len())
        }
    }

    fn ctc(
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

    fn target_form(&self, loss: &Loss, target: Option<Slot>) -> Result<TargetForm> {
        let forms = loss.target_forms();
        let Some(target) = target else { return Ok(TargetForm::Nothing) };
        let dtype = self.program.slot(target)?.dtype;
        let classes = |form: &&TargetForm| {
            matches!(form, TargetForm::Class | TargetForm::ClassList) == (dtype == DType::U32)
        };
        Ok(forms.iter().find(classes).copied().unwrap_or(TargetForm::Values))
    }

    /// What stands in the place of a binding that is not there.
    fn or_unused(&self, region: Option<&Region>) -> Region {
        region.unwrap_or(&self.memory.steps).clone()
    }

    /// The dispatches of a loss with gradients by so many inputs: for each the input that its gradient is by, and what it
    /// binds. Value and first gradient go together unless that is more than the device binds.
    fn passes(
        &self,
        parts: Parts,
        gradients: usize,
        kernel: impl Fn(Parts) -> Kernel,
    ) -> Vec<(usize, Parts)> {
        let most = u64::from(self.gpu.limits().max_storage_buffers_per_shader_stage);
        let together = gradients > 0 && kernel(parts).storage_buffers() <= most;
        let value = (0, Parts { gradient: together, ..parts });
        let by = (usize::from(together)..gradients)
            .map(|input| (input, Parts { value: false, ..parts }));
        std::iter::once(value).chain(by).collect()
    }

    fn map_loss(
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
    pub(super) fn row_shares(
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

    fn row_loss(
        &mut self,
        operands: &Operands<'_>,
        value: Region,
        gradients: &[Region],
        is_empty: bool,
    ) -> Result<()> {
        let Operands { loss, reduction, layout, form, .. } = operands;
        let each = *reduction == Reduction::None;
        let rows = if is_empty { 0 } else { layout.rows() };
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
        // A list of classes is walked for every column.
        let lanes = match form {
            TargetForm::ClassList => lanes(layout.cols),
            _ => self.row_lanes(rows, layout.cols),
        };
        // The second and third binding of a row: the target or another input, and whatever else the loss takes.
        let [_, others @ ..] = &operands.predictions[..] else { return Ok(()) };
        let mut more = operands.target.iter().chain(others);
        let target = self.or_unused(more.next());
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

    pub(super) fn metric(
        &mut self,
        metric: Metric,
        [prediction, target]: [Slot; 2],
        value: Slot,
    ) -> Result<()> {
        let shape = self.shape(prediction)?;
        let inputs = [self.memory.steps.clone(), self.region(prediction)?, self.region(target)?];
        let out = self.region(value)?;
        if let Some(k) = metric.top() {
            let rows = if shape.is_empty() { 0 } else { shape.rows() };
            let each = self.shape(value)?.rank() > 0;
            let terms = if each { out.clone() } else { self.scratch(rows)? };
            let classes = self.program.slot(target)?.dtype == DType::U32;
            let bindings = [&inputs[..], std::slice::from_ref(&terms)].concat();
            let k = k.min(shape.cols()) as u32;
            let lanes = self.row_lanes(rows, shape.cols());
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
        };
        let [len, lanes] = blocks.fields;
        let fields = [len, lanes, shape.cols() as u32, 0, 0, 0, 0, 0];
        let kernel = catalogue::agreement(blocks.lanes);
        self.push(kernel, &fields, &[mode, agreement.limit], bindings, blocks.groups, 0)?;
        let total = Total { square: false, terms_per_row: shape.cols(), rows: shape.rows() };
        self.sum(partial, count, out, total)
    }
}
