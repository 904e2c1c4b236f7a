//! What a training run can go on from, brought back through the host's own submits.

use super::Weights;
use super::staging::{Downloads, LeaseState};
use super::{Gpu, Plan};
use crate::error::Result;
use crate::program::WeightValues;

/// The weights at one step.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WeightsAt {
    /// The first step that is not in them.
    pub step: u64,
    /// How many updates were skipped since the plan was made.
    pub skipped: u64,
    pub values: WeightValues,
}

/// How much of the step table's header is kept: its counter, and how many updates were skipped.
const HEADER: usize = 3;

/// Snapshots under way.
#[derive(Debug)]
pub(crate) struct Snapshots {
    downloads: Downloads<()>,
}

impl Snapshots {
    pub fn new(gpu: &Gpu) -> Self {
        Self { downloads: Downloads::new(gpu) }
    }

    /// How many bytes its buffers have.
    pub fn bytes(&self) -> u64 {
        self.downloads.bytes()
    }

    /// Whether a snapshot has not come back yet.
    pub fn is_under_way(&self) -> bool {
        self.downloads.under_way().any(|(state, ())| state == LeaseState::Out)
    }

    /// Records the copy of everything that changes from step to step.
    pub fn record(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        plan: &Plan,
        weights: &Weights,
    ) -> Result<()> {
        let counter = (&plan.step_table().buffer, plan.step_table().offset, HEADER as u64);
        let regions = weights.changing().into_iter();
        let parts = regions.map(|region| (&region.buffer, region.offset, region.words() as u64));
        let parts: Vec<_> = std::iter::once(counter).chain(parts).collect();
        self.downloads.record(encoder, &parts, ())
    }

    /// The newest snapshot that has come back since the last call, if any has; `near` is a step not far from it.
    pub fn take(&mut self, weights: &Weights, near: u64) -> Result<Option<WeightsAt>> {
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

/// What a snapshot holds.
fn weights_at(weights: &Weights, words: &[u32], near: u64) -> WeightsAt {
    let header = |place: usize| words.get(place).copied().unwrap_or(0);
    let ahead = header(0).wrapping_sub(near as u32) as i32;
    let contents = words.get(HEADER..).unwrap_or_default();
    WeightsAt {
        step: near.saturating_add_signed(i64::from(ahead)),
        skipped: header(2).into(),
        values: weights.values_of(bytemuck::cast_slice(contents)),
    }
}
