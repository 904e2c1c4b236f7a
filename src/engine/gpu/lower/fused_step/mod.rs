//! Fused steps: whole training steps of small networks in two dispatches, and the last layers of other networks in one.

mod chain;
mod plan;

use std::ops::Range;

use super::joins::ReadCounts;
use super::{Lowering, PlanMemory, RING};
use crate::engine::gpu::arena::Segment;
use crate::engine::gpu::choice::Fusion;
use crate::engine::gpu::kernel::fused_step::{FusedStep, Parts, Source, StepMetric, Update};
use crate::engine::gpu::memory::Region;
use crate::engine::gpu::{Gpu, PlanWeights, View};
use crate::error::{Error, Result};
use crate::ir::{Op, Program, Slot};
use crate::ops::update::kernels::state_names;
use crate::ops::{StepOp, UpdateOp};
use crate::spec::Optimizer;
use chain::{LayerChain, MOST_LAYERS, Refusal};
use plan::Site;

/// The dispatch of a layer chain, and the one that ends the step.
#[derive(Debug)]
pub(in crate::engine::gpu) struct FusedStepPlan {
    chain: LayerChain,
    whole: FusedStep,
    /// The optimizer, if its update directly follows the gradients.
    optimizer: Option<Optimizer>,
    /// The partial gradients of other layers, which the last dispatch sums.
    splits: Vec<Split>,
}

/// A gradient stored as partial sums.
#[derive(Debug)]
struct Split {
    slot: Slot,
    parts: Parts,
}

impl FusedStepPlan {
    /// The slots that need no memory. If the step includes the update, recorded values go directly to the ring.
    pub(crate) fn hidden(&self, program: &Program) -> Vec<Slot> {
        let figures = self.chain.figures.iter().filter(|_| self.optimizer.is_some());
        let mut hidden = self.chain.hidden(program);
        hidden.extend(figures.map(|(slot, _)| *slot));
        hidden
    }

    /// The ops of the first dispatch, except for metrics and gathers of targets.
    pub(crate) fn span(&self) -> Range<usize> {
        if self.chain.is_whole { 0..self.chain.span.end } else { self.chain.span.clone() }
    }

    /// Returns whether an op is part of the fused step.
    pub(crate) fn covers(&self, number: usize, op: &Op) -> bool {
        let ends =
            matches!(op, Op::Update(UpdateOp::Update { .. }) | Op::Step(StepOp::Record { .. }));
        self.chain.ops.contains(&number) || (self.optimizer.is_some() && ends)
    }

    /// Returns whether an op cannot be recorded separately from those before it: gradients are complete only after the
    /// update.
    pub(crate) fn goes_on(&self, number: usize, op: &Op) -> bool {
        let start = self.span().start;
        let begun = self.optimizer.is_some() && number > start;
        number > 0 && (begun || (number != start && self.covers(number, op)))
    }

    /// The number of values passed from the first dispatch to the last, which reads four at once.
    pub(crate) fn partial(&self) -> u32 {
        let end = |split: &Split| split.parts.at + split.parts.count * split.parts.stride + 3;
        let own = self.whole.groups * self.whole.stride();
        self.splits.iter().map(end).fold(own, u32::max)
    }
}

/// Plans the longest layer chain at the end of a program that one dispatch can execute, if there is one and the fusion
/// setting allows it.
///
/// # Errors
/// [`Error::Unsupported`] with the reason if a fused step is required and impossible.
pub(super) fn prepare(
    gpu: &Gpu,
    program: &Program,
    readers: &ReadCounts,
    weights: Option<&PlanWeights>,
    views: &[(Slot, View)],
) -> Result<Option<FusedStepPlan>> {
    let fusion = gpu.choices().fusion;
    if !matches!(fusion, Fusion::Auto | Fusion::Whole) {
        return Ok(None);
    }
    let mut refusal = "it does not begin with a layer".to_string();
    let starts: Vec<usize> = LayerChain::starts(program).collect();
    // Skips chains that begin far before the loss, because they have too many layers.
    let near = starts.len().saturating_sub(4 * MOST_LAYERS);
    let worth = starts.iter().enumerate().filter(|(number, _)| *number == 0 || *number >= near);
    for (number, &start) in worth {
        match (Site { gpu, program, readers, weights, views }).plan(start) {
            Ok(plan) => return Ok(Some(plan)),
            Err(Refusal::Error(error)) => return Err(error),
            Err(Refusal::Unsupported(why)) if number == 0 => refusal = why,
            Err(Refusal::Unsupported(_)) => {}
        }
        if fusion == Fusion::Whole {
            break;
        }
    }
    match fusion {
        Fusion::Whole => {
            Err(Error::unsupported(format!("a whole step of '{}'", program.name()), refusal))
        }
        _ => Ok(None),
    }
}

impl Lowering<'_> {
    /// Lowers an op that is part of a fused step: the first op emits the chain's dispatch, and the update emits the one
    /// that ends the step.
    pub(super) fn whole(&mut self, plan: &FusedStepPlan, number: usize) -> Result<()> {
        if number == plan.span().start {
            let partial = self.memory.partial.clone();
            for Split { slot, parts } in &plan.splits {
                let bytes = u64::from(parts.count * parts.stride).next_multiple_of(4) * 4;
                let offset = partial.offset + u64::from(parts.at) * 4;
                let region = Region { offset, bytes, ..partial.clone() };
                self.partials.insert(*slot, region);
            }
            self.chain(plan, partial)?;
            return if plan.optimizer.is_none() { self.end(plan) } else { Ok(()) };
        }
        match self.program.ops().get(number) {
            Some(Op::Update(UpdateOp::Update { .. })) => self.end(plan),
            _ => Ok(()),
        }
    }

    /// Emits the forward pass of a chain, its loss, and the backward pass.
    fn chain(
        &mut self,
        FusedStepPlan { chain, whole, .. }: &FusedStepPlan,
        partial: Region,
    ) -> Result<()> {
        let region = |slot: Option<Slot>| slot.map(|slot| self.region(slot)).transpose();
        let params = &self.segment()?.params;
        let (offset, bytes) =
            (params.offset + 4 * u64::from(whole.base), 4 * u64::from(whole.params));
        let params = Region { offset, bytes, ..params.clone() };
        let call = self
            .call(whole.kernel())
            .bind("param", &params)
            .bind("data", &self.region(chain.x.data)?)
            .bind("targets", &self.region(chain.target.from.data)?)
            .bind("partial", &partial)
            .bind_some("row_weight", region(chain.weight.map(|weight| weight.data))?.as_ref())
            .bind_some("dx", region(chain.emits)?.as_ref())
            .field("rows", whole.rows)
            .field("data_rows", whole.data_rows)
            .field("blocks", whole.rows.div_ceil(whole.block))
            .field("groups", whole.groups)
            .groups(whole.groups.into())
            .flops(whole.flops());
        self.push(call)
    }

    /// Emits the sums of the gradients and, if the update directly follows, the update and the end of the step.
    fn end(&mut self, plan: &FusedStepPlan) -> Result<()> {
        let FusedStepPlan { chain, whole, optimizer, splits } = plan;
        let segment = self.segment()?;
        let terms = whole.metrics.iter().map(|figure| match figure {
            StepMetric::Loss => whole.terms,
            StepMetric::Metric(metric) if metric.top().is_some() => 1,
            StepMetric::Metric(_) => whole.outputs(),
        });
        let (count, stride) = (whole.groups, whole.stride());
        // Scalars and partial results are contiguous and bound together.
        let PlanMemory { scalars, partial, .. } = &self.memory;
        let scalars_and_partial =
            Region { bytes: scalars.bytes + partial.bytes, ..scalars.clone() };
        let start = (partial.offset / 4) as u32;
        let own = Parts { first: whole.base, len: whole.params, at: start, count, stride };
        let moved = |parts: Parts| Parts { at: start + parts.at, ..parts };
        let update = Update {
            optimizer: *optimizer,
            splits: splits.iter().map(|split| moved(split.parts)).collect(),
            own,
            figures: Parts { at: start + whole.params, ..own },
            params: segment.len as u32,
            terms: terms.collect(),
            places: self.places(chain, optimizer.is_some())?,
            ring: RING as u32,
        };
        let call = self
            .call(update.kernel())
            .bind("grad", &segment.grads)
            .bind("partial", &scalars_and_partial)
            .field("rows", whole.rows)
            .field("parts", whole.groups)
            .groups(update.workgroups());
        let Some(optimizer) = optimizer else { return self.push(call) };
        let states = state_names(optimizer).zip(segment.states.iter().cloned());
        let call = call
            .bind("blocks", &segment.blocks)
            .bind("param", &segment.params)
            .bind_all(states)
            .bind("ring", &self.memory.ring);
        self.push(call)
    }

    fn segment(&self) -> Result<&Segment> {
        match &self.weights()?.segments[..] {
            [segment] => Ok(segment),
            _ => Err(Error::Internal("a whole step over several segments".into())),
        }
    }

    /// The destination and the source of each recorded value.
    fn places(&self, chain: &LayerChain, records: bool) -> Result<Vec<(u32, Source)>> {
        let number = |slot: &Slot| (0u32..).zip(&chain.figures).find(|(_, (own, _))| own == slot);
        let at = |slot: &Slot| Ok((self.region(*slot)?.offset / 4) as u32);
        if !records {
            let own = chain.figures.iter().zip(0u32..);
            return own.map(|((slot, _), number)| Ok((at(slot)?, Source::Sum(number)))).collect();
        }
        let from = |slot: &Slot| match number(slot) {
            Some((number, _)) => Ok(Source::Sum(number)),
            None => at(slot).map(Source::Scalar),
        };
        (0..).zip(self.program.recorded()).map(|(column, slot)| Ok((column, from(slot)?))).collect()
    }
}
