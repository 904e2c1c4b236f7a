//! Snapshots that a training run can resume from, read back through the host's own submits.

use super::PlanWeights;
use super::staging::{Downloads, LeaseState};
use super::{Gpu, Plan};
use crate::error::Result;
use crate::ir::WeightValues;

/// The weights at one step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WeightsAt {
    /// The first step that the weights do not include.
    pub step: u64,
    /// The number of updates skipped since the plan was built.
    pub skipped: u64,
    pub values: WeightValues,
}

/// The words of the step table's header that are kept, up to the number of skipped updates.
const HEADER: usize = 3;

/// Snapshots in flight.
#[derive(Debug)]
pub(crate) struct Snapshots {
    downloads: Downloads<()>,
}

impl Snapshots {
    pub(crate) fn new(gpu: &Gpu) -> Self {
        Self { downloads: Downloads::new(gpu) }
    }

    /// The total bytes of the buffers.
    pub(crate) fn bytes(&self) -> u64 {
        self.downloads.bytes()
    }

    /// Returns whether a snapshot has not been read back yet.
    pub(crate) fn is_under_way(&self) -> bool {
        self.downloads.under_way().any(|(state, ())| state == LeaseState::Out)
    }

    /// Records the copy of all state that changes from step to step.
    pub(crate) fn record(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        plan: &Plan,
        weights: &PlanWeights,
    ) -> Result<()> {
        let counter = (&plan.step_table().buffer, plan.step_table().offset, HEADER as u64);
        let regions = weights.changing().into_iter();
        let parts = regions.map(|region| (&region.buffer, region.offset, region.words() as u64));
        let parts: Vec<_> = std::iter::once(counter).chain(parts).collect();
        self.downloads.record(encoder, &parts, ())
    }

    /// Takes the newest snapshot that was read back since the last call, if any; `near` is a step close to it.
    pub(crate) fn take(&mut self, weights: &PlanWeights, near: u64) -> Result<Option<WeightsAt>> {
        let mut newest: Option<WeightsAt> = None;
        while let Some(((), words)) = self.downloads.next()? {
            let Some(words) = words else { continue };
            let snapshot = weights_at(weights, words, near);
            if newest.as_ref().is_none_or(|newest| newest.step < snapshot.step) {
                newest = Some(snapshot);
            }
        }
        Ok(newest)
    }
}

/// The contents of a snapshot.
fn weights_at(weights: &PlanWeights, words: &[u32], near: u64) -> WeightsAt {
    let header = |place: usize| words.get(place).copied().unwrap_or(0);
    let ahead = header(0).wrapping_sub(near as u32) as i32;
    let contents = words.get(HEADER..).unwrap_or_default();
    WeightsAt {
        step: near.saturating_add_signed(i64::from(ahead)),
        skipped: header(2).into(),
        values: weights.values_of(bytemuck::cast_slice(contents)),
    }
}
