//! Snapshots, and resuming from them after the device was lost.

use super::{StepOptions, TrainingStep};
use crate::device::{Device, Weights};
use crate::engine::gpu::{Choices, Gpu, WeightsAt};
use crate::error::{Error, Result};
use crate::train::Trainer;

/// Parameters, optimizer state and step of a training run, in main memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    weights: WeightsAt,
}

impl Snapshot {
    /// The first step after the snapshot.
    pub fn step(&self) -> u64 {
        self.weights.step
    }
}

impl TrainingStep {
    /// Records a snapshot of the run at this point of the encoder. It comes back while the host submits and polls, and
    /// is then available from [`TrainingStep::snapshot`].
    ///
    /// # Errors
    /// [`Error::Limit`] if too many snapshots wait to be submitted; [`Error::DeviceLost`].
    pub fn encode_snapshot(&mut self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        let Weights::Gpu(weights) = &self.trainer.weights else { return Ok(()) };
        self.snapshots.record(encoder, &self.plan, weights)
    }

    /// Records the periodic snapshot if it became due since step `before` and the last one has come back.
    pub(super) fn snapshot_after(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        before: u64,
    ) -> Result<()> {
        let Some(every) = self.options.snapshots else { return Ok(()) };
        let due = before / every != self.plan.next_step() / every;
        self.snapshot()?;
        if due && !self.snapshots.is_under_way() { self.encode_snapshot(encoder) } else { Ok(()) }
    }

    /// Returns the newest snapshot that has come back so far. Never blocks.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] if a snapshot was lost with the device; the one before is kept for
    /// [`TrainingStep::restore`].
    pub fn snapshot(&mut self) -> Result<Option<&Snapshot>> {
        let Weights::Gpu(weights) = &self.trainer.weights else { return Ok(None) };
        if let Some(weights) = self.snapshots.take(weights, self.plan.next_step())?
            && self.latest.as_ref().is_none_or(|latest| latest.step() <= weights.step)
        {
            self.latest = Some(Snapshot { weights });
        }
        Ok(self.latest.as_ref())
    }

    /// Resumes from the last snapshot on another device after this one was lost. The run continues with the same bits
    /// as it would have without the loss, provided that the new device computes as the old one did. Without a snapshot
    /// the run starts from the beginning. The host's buffers are lost with their device: inputs, targets and outputs
    /// are then in wgrad's own memory until `set_inputs` and `set_targets` replace them; [`TrainingStep::restore_over`]
    /// takes new buffers.
    ///
    /// # Errors
    /// As [`Trainer::into_step`]; the step is then unchanged.
    pub fn restore(&mut self, device: &wgpu::Device, queue: &wgpu::Queue) -> Result<()> {
        let options = self.options.without_views();
        self.restore_over(device, queue, options)
    }

    /// As [`TrainingStep::restore`], with buffers of the host on the new device.
    ///
    /// # Errors
    /// As [`TrainingStep::restore`]; [`Error::Shape`] for another number of rows.
    pub fn restore_over(
        &mut self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        options: impl Into<StepOptions>,
    ) -> Result<()> {
        let options = options.into();
        if options.rows != self.options.rows {
            let message = format!("{} rows in place of {}", options.rows, self.options.rows);
            return Err(Error::shape("restore", message));
        }
        let gpu = like(self.trainer.device.gpu(), Gpu::from_wgpu(device, queue));
        let latest = self.latest.as_ref();
        let done = latest.map_or((0, 0), |Snapshot { weights }| {
            self.live.read().progress(weights.step, weights.skipped)
        });
        let trainer = self.trainer.on_another(&gpu.into(), latest, done)?;
        let restored = Self::new(trainer, options, self.by_gradient)?;
        let latest = self.latest.take();
        *self = restored;
        // The trainer's own count now includes its skipped updates.
        self.latest = latest
            .map(|Snapshot { weights }| Snapshot { weights: WeightsAt { skipped: 0, ..weights } });
        Ok(())
    }
}

/// The new device with the kernel choices of the old one, except features that the new one lacks.
fn like(old: Option<&Gpu>, new: Gpu) -> Gpu {
    let Some(old) = old else { return new };
    let subgroups = old.choices().subgroups && new.choices().subgroups;
    new.choosing(Choices { subgroups, ..old.choices() }).tuned(old.tuning().clone())
}

impl Trainer {
    /// The same run on another device at the snapshot, with the given numbers of updates done and of steps accumulated
    /// for the next. Does not access the old device.
    fn on_another(
        &self,
        device: &Device,
        snapshot: Option<&Snapshot>,
        (updates, gathered): (u64, u64),
    ) -> Result<Self> {
        let initial = self.settings.network.initial(self.settings.seed);
        let params = snapshot.map_or(&initial, |snapshot| &snapshot.weights.values.params);
        let extras = self.settings.objective.transforms.states().len();
        let mut weights = Weights::new(
            device,
            self.settings.network.params(),
            params,
            Some(&self.settings.optimizer),
            extras,
        )?;
        let step = snapshot.map_or(0, Snapshot::step);
        if let Some(Snapshot { weights: kept }) = snapshot {
            weights.write_values(&kept.values)?;
        }
        let mut trainer = Self {
            plateau_state: self.plateau_state,
            step,
            updates,
            gathered,
            epoch: self.epoch.saturating_add_signed(step as i64 - self.step as i64),
            ..self.settings.clone().on(device, weights)
        };
        if snapshot.is_none() {
            trainer.begin_mean(&initial)?;
        }
        Ok(trainer)
    }
}
