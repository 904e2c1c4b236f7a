//! The optimizer's update with the gradient transforms around it.

use super::GradientTransforms;
use crate::error::Result;
use crate::ir::{Program, Slot};
use crate::random::{Key, Stream};
use crate::spec::Optimizer;

impl GradientTransforms {
    /// Adds the transforms and the update; returns the slot that records a skipped update, if updates can be skipped.
    pub(super) fn update(
        &self,
        program: &mut Program,
        optimizer: Optimizer,
        loss: Option<Slot>,
        seed: u64,
    ) -> Result<Option<Slot>> {
        let state = |name: &str| {
            let place = self.states().iter().position(|state| *state == name);
            optimizer.states().len() + place.unwrap_or_default()
        };
        if self.accumulate.is_some() {
            program.accumulate(state("accumulated_grad"));
        }
        let skipped = self.skip_not_finite.then(|| program.skip_not_finite());
        if let Some(limit) = self.clip_value {
            program.clip_value(limit)?;
        }
        if let Some(max) = self.clip_each {
            program.clip_each(max)?;
        }
        if let Some(max) = self.clip_norm {
            program.clip_norm(max)?;
        }
        if self.noise.is_some() {
            program.gradient_noise(Key::new(seed, Stream::GradientNoise));
        }
        program.update(optimizer, loss, Key::new(seed, Stream::Optimizer))?;
        if let Some(average) = self.average {
            program.average(state("mean"), average.follows());
        }
        Ok(skipped)
    }
}
