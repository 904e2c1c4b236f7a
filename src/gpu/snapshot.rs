//! What a training run can go on from, brought back through the host's own submits.

use super::Weights;
use super::arena::Span;
use super::memory::Region;
use super::staging::{Fate, Loan, Staging, Way};
use super::{Gpu, Plan};
use crate::error::Result;

/// The weights at one step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WeightsAt {
    /// The first step that is not in them.
    pub step: u64,
    /// How many steps had no update since the plan was made, because it was skipped.
    pub skipped: u64,
    /// One vector per parameter tensor.
    pub params: Vec<Vec<f32>>,
    /// For each state value, one vector per parameter tensor.
    pub states: Vec<Vec<Vec<f32>>>,
    /// What the optimizer carries from step to step beside that.
    pub carried: Vec<f32>,
}

/// How much of the step table's header is kept: its counter, and how many steps the updates are late.
const HEADER: usize = 3;

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
        let counter = (&plan.step_table().buffer, plan.step_table().offset, HEADER as u64);
        let parts =
            regions.iter().map(|(region, words)| (&region.buffer, region.offset, *words as u64));
        let parts: Vec<_> = std::iter::once(counter).chain(parts).collect();
        self.under_way.push(self.staging.download(encoder, &parts)?);
        Ok(())
    }

    /// The newest snapshot that has come back since the last call, if any has; `near` is a step not far from it.
    pub fn take(&mut self, weights: &Weights, near: u64) -> Result<Option<WeightsAt>> {
        let words = HEADER + weights.changing().iter().map(|(_, words)| words).sum::<usize>();
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
            let states = segment.states.iter().enumerate();
            let states = states.map(|(state, region)| (region, self.state_len(segment, state)));
            std::iter::once((&segment.params, segment.len)).chain(states)
        });
        segments.chain([(&self.carried, self.carried_words())]).collect()
    }

    fn unpack(&self, words: &[u32], near: u64) -> WeightsAt {
        let header = |place: usize| words.get(place).copied().unwrap_or(0);
        let ahead = header(0).wrapping_sub(near as u32) as i32;
        let step = near.saturating_add_signed(i64::from(ahead));
        let count = self.segments.first().map_or(0, |segment| segment.states.len());
        let mut params = vec![Vec::new(); self.spans.len()];
        let mut states = vec![params.clone(); count];
        let mut start = HEADER;
        let mut take = |number: usize,
                        (spans, slots): (&[Span], usize),
                        len: usize,
                        tensors: &mut [Vec<f32>]| {
            let part = words.get(start..start + len).unwrap_or_default();
            let places = spans.iter().zip(tensors).filter(|(span, _)| span.segment == number);
            for (span, tensor) in places {
                let slots = part.chunks((len / slots).max(1));
                let of_slot =
                    slots.filter_map(|slot| slot.get(span.offset..span.offset + span.len));
                *tensor = of_slot.flatten().map(|word| f32::from_bits(*word)).collect();
            }
            start += len;
        };
        for (number, segment) in self.segments.iter().enumerate() {
            take(number, (&self.spans, 1), segment.len, &mut params);
            for (state, tensors) in states.iter_mut().enumerate() {
                take(number, self.places_of(state), self.state_len(segment, state), tensors);
            }
        }
        let carried = words.get(start..).unwrap_or_default();
        WeightsAt {
            step,
            skipped: header(2).into(),
            params,
            states,
            carried: carried.iter().map(|word| f32::from_bits(*word)).collect(),
        }
    }
}
