//! What a training run can go on from, brought back through the host's own submits.

use super::Weights;
use super::arena::Span;
use super::memory::Region;
use super::staging::{Fate, Loan, Staging, Way};
use super::{Gpu, Plan};
use crate::error::Result;
use crate::spec::optimizer::MAX_CARRIED;

/// The weights at one step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WeightsAt {
    /// The first step that is not in them.
    pub step: u64,
    /// One vector per parameter tensor.
    pub params: Vec<Vec<f32>>,
    /// For each state value, one vector per parameter tensor.
    pub states: Vec<Vec<Vec<f32>>>,
    /// What the optimizer carries from step to step beside that.
    pub carried: Vec<f32>,
}

/// Snapshots under way.
#[derive(Debug)]
pub(crate) struct Snapshots {
    staging: Staging,
    under_way: Vec<Loan>,
}

impl Snapshots {
    pub fn new(gpu: &Gpu) -> Self {
        Self { staging: Staging::new(gpu, Way::Down), under_way: Vec::new() }
    }

    /// Whether a snapshot has not come back yet.
    pub fn is_under_way(&self) -> bool {
        self.under_way.iter().any(|loan| loan.fate() == Fate::Out)
    }

    /// Records the copy of everything that changes from step to step.
    pub fn record(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        plan: &Plan,
        weights: &Weights,
    ) -> Result<()> {
        let regions = weights.changing();
        let counter = (&plan.step_table().buffer, plan.step_table().offset, 1);
        let parts =
            regions.iter().map(|(region, words)| (&region.buffer, region.offset, *words as u64));
        let parts: Vec<_> = std::iter::once(counter).chain(parts).collect();
        self.under_way.push(self.staging.download(encoder, &parts)?);
        Ok(())
    }

    /// The newest snapshot that has come back since the last call, if any has; `near` is a step not far from it.
    pub fn take(&mut self, weights: &Weights, near: u64) -> Result<Option<WeightsAt>> {
        let words = 1 + weights.changing().iter().map(|(_, words)| words).sum::<usize>();
        let mut newest: Option<WeightsAt> = None;
        for loan in std::mem::take(&mut self.under_way) {
            match loan.fate() {
                Fate::Out => self.under_way.push(loan),
                Fate::Dropped => {}
                Fate::Failed => return Err(self.staging.lost("a snapshot did not come back")),
                Fate::Done | Fate::Idle => {
                    let words = self.staging.collect(&loan, words as u64)?;
                    let snapshot = weights.unpack(&words, near);
                    if newest.as_ref().is_none_or(|newest| newest.step < snapshot.step) {
                        newest = Some(snapshot);
                    }
                }
            }
        }
        Ok(newest)
    }
}

impl Weights {
    /// Everything that changes from step to step, each with its words: parameters and states segment by segment, then what
    /// is carried.
    fn changing(&self) -> Vec<(&Region, usize)> {
        let segments = self.segments.iter().flat_map(|segment| {
            std::iter::once(&segment.params)
                .chain(&segment.states)
                .map(|region| (region, segment.len))
        });
        segments.chain([(&self.carried, MAX_CARRIED)]).collect()
    }

    fn unpack(&self, words: &[u32], near: u64) -> WeightsAt {
        let counter = words.first().copied().unwrap_or(0);
        let step = near.saturating_add_signed(i64::from(counter.wrapping_sub(near as u32) as i32));
        let states = self.segments.first().map_or(0, |segment| segment.states.len());
        // Where each segment's numbers begin.
        let mut starts = vec![1];
        for segment in &self.segments {
            starts.push(starts.last().copied().unwrap_or(1) + segment.len * (1 + states));
        }
        let tensor = |arena: usize, span: &Span| -> Vec<f32> {
            let segment = self.segments.get(span.segment);
            let start = starts.get(span.segment).copied().unwrap_or(0)
                + arena * segment.map_or(0, |segment| segment.len)
                + span.offset;
            let words = words.get(start..start + span.len).unwrap_or_default();
            words.iter().map(|word| f32::from_bits(*word)).collect()
        };
        let arena = |arena: usize| self.spans.iter().map(|span| tensor(arena, span)).collect();
        let carried = starts.last().and_then(|start| words.get(*start..)).unwrap_or_default();
        WeightsAt {
            step,
            params: arena(0),
            states: (1..=states).map(arena).collect(),
            carried: carried.iter().map(|word| f32::from_bits(*word)).collect(),
        }
    }
}
