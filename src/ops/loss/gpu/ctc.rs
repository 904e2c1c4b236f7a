//! The sequence loss (CTC).

use crate::engine::gpu::kernel::Rows;
use crate::engine::gpu::lower::{Lowering, Total};
use crate::error::Result;
use crate::ir::Slot;
use crate::ops::loss::LossLayout;
use crate::ops::loss::kernels::{self, LossParts};
use crate::spec::loss::TargetForm;
use crate::spec::{Loss, Reduction};

/// Invocations per sample.
const LANES: usize = 64;
/// The loop iterations of a tree reduction over them, with the test that ends it.
const TREE: usize = 7;

/// The phase of a dispatch; the numbers are those in the shader.
#[derive(Clone, Copy)]
enum Phase {
    Link,
    Forward,
    Backward,
}

/// The loop iterations of an invocation per time step: of the forward pass, and of the backward pass if all places are
/// of one class.
fn turns_per_step(places: usize, classes: usize) -> [usize; 2] {
    let states = (2 * places + 1).div_ceil(LANES) + 1;
    let labels = places.div_ceil(LANES) + 1;
    let classes = classes.div_ceil(LANES) + 1;
    [2 * states + TREE + classes + 1, 3 * states + 3 * TREE + 2 * labels + places + classes + 1]
}

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
        let LossLayout { samples, cols, .. } = LossLayout::of(loss, shape);
        let time = shape.axis(0).unwrap_or(0);
        let places = self.shape(target)?.cols();
        let each = reduction == Reduction::None;
        let value = self.region(value)?;
        let terms = if each { value.clone() } else { self.scratch(samples)? };
        let work = self.scratch(samples * ((time + 2) * (2 * places + 1) + places + 1))?;
        let divides = matches!(reduction, Reduction::Mean | Reduction::BatchMean);
        let grad = gradient.map_or_else(|| self.scratch(1), |slot| self.region(*slot))?;
        let kernel = kernels::loss(loss, TargetForm::ClassList, Rows::PLAIN, LossParts::PLAIN);
        let call = self
            .call(kernel)
            .bind("prediction", &self.region(log_probs)?)
            .bind("target_list", &self.region(target)?)
            .bind("lengths", &self.region(lengths)?)
            .bind("work", &work)
            .bind("values", &terms)
            .bind("grad", &grad)
            .fields([("time", time), ("samples", samples), ("classes", cols), ("places", places)])
            .fields([("per_label", reduction == Reduction::Mean), ("mean", divides)])
            .field("upstream", upstream as f32)
            .hyper(loss.pairs());
        if gradient.is_some() {
            self.clear(grad, shape.len())?;
        }
        self.check_turns(loss.name(), places + 1)?;
        let [forward, backward] = turns_per_step(places, cols);
        let forward = self.steps_of(loss.name(), forward)?;
        let backward = self.steps_of(loss.name(), backward)?;
        let mut run = |phase: Phase, [begin, end]: [usize; 2], groups: usize| {
            let call = call.clone().field("phase", phase as u32);
            self.push(call.fields([("begin", begin), ("end", end)]).groups(groups as u64))
        };
        let spans = spans(time, forward);
        spans.iter().try_for_each(|span| run(Phase::Forward, *span, samples))?;
        if gradient.is_some() {
            run(Phase::Link, [0, 0], samples * places.div_ceil(LANES))?;
            let spans = self::spans(time, backward);
            spans.iter().rev().try_for_each(|span| run(Phase::Backward, *span, samples))?;
        }
        if each {
            return Ok(());
        }
        let total = Total { square: false, terms_per_row: usize::from(divides), rows: samples };
        self.sum(terms, samples, value, total)
    }
}

/// The time steps of each dispatch. There is at least one dispatch, which also finishes the samples without time steps.
fn spans(time: usize, steps: usize) -> Vec<[usize; 2]> {
    (0..time.max(1)).step_by(steps).map(|begin| [begin, (begin + steps).min(time)]).collect()
}
