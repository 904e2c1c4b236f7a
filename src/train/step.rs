//! A training step for somebody else's frame.

use std::ops::Range;

use super::Trainer;
use crate::device::{Executor, Weights};
use crate::error::{Error, Result};
use crate::gpu::{Plan, Region};
use crate::nn::TargetKind;
use crate::program::{LiveSteps, Op};

/// A training step over a fixed batch, recorded into the host application's own command encoders.
///
/// The host writes [`TrainingStep::inputs`] and [`TrainingStep::targets`] (copies, or kernels of its own), records
/// steps where it likes and submits when it likes.
#[derive(Debug)]
pub struct TrainingStep {
    trainer: Trainer,
    plan: Plan,
    live: LiveSteps,
    inputs: Region,
    targets: Region,
}

impl Trainer {
    /// Turns the trainer into a step over batches of `rows` rows.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on the CPU reference; [`Error::Empty`] for a batch without rows; otherwise as `fit`.
    pub fn into_step(self, rows: usize) -> Result<TrainingStep> {
        if rows == 0 {
            return Err(Error::empty("into_step", "a batch needs at least one row"));
        }
        let target = self.natural_target();
        let wiring =
            self.network.training(&self.goal, self.optimizer, target, (rows, rows), self.seed)?;
        let (rule, live) = self.steps(rows).live();
        let executor = Executor::new(wiring.program, &self.weights, &self.device, self.step, rule)?;
        let Executor::Gpu(plan) = executor else {
            let message = "steps are recorded on a GPU; the CPU reference trains with `fit`";
            return Err(Error::unsupported("into_step", message));
        };
        let missing = || Error::Internal("the step's inputs have no memory".into());
        let inputs = plan.region(wiring.x).cloned().ok_or_else(missing)?;
        let targets =
            wiring.target.and_then(|slot| plan.region(slot)).cloned().ok_or_else(missing)?;
        Ok(TrainingStep { trainer: self, plan: *plan, live, inputs, targets })
    }
}

impl TrainingStep {
    /// Where the inputs go: `rows` rows of the network's features, `f32`, row-major.
    pub fn inputs(&self) -> &Region {
        &self.inputs
    }

    /// Where the targets go: `f32` rows, or with a row-wise loss one `u32` class index a row.
    pub fn targets(&self) -> &Region {
        &self.targets
    }

    /// What [`TrainingStep::targets`] holds.
    pub fn target_kind(&self) -> TargetKind {
        self.trainer.natural_target()
    }

    /// Where a parameter lies, to be bound by the host's own pipelines; in the order of
    /// [`Network::params`](crate::nn::Network::params).
    ///
    /// # Errors
    /// [`Error::Internal`] if there is no such parameter.
    pub fn parameter(&self, index: usize) -> Result<Region> {
        match &self.trainer.weights {
            Weights::Gpu(weights) => weights.param(index),
            Weights::Cpu(_) => Err(Error::Internal("a step without a GPU".into())),
        }
    }

    /// Records `steps` training steps into the caller's encoder. Nothing is submitted.
    ///
    /// # Errors
    /// As [`Plan::encode`].
    pub fn encode(&mut self, encoder: &mut wgpu::CommandEncoder, steps: u64) -> Result<()> {
        self.plan.encode(encoder, steps)
    }

    /// Sets a hyper-parameter of the optimizer, such as `lr`, for the steps recorded from now on.
    ///
    /// # Errors
    /// As [`Trainer::set_optimizer`].
    pub fn set_optimizer(&mut self, parameter: &str, value: f64) -> Result<()> {
        self.trainer.set_optimizer(parameter, value)?;
        self.live.write().optimizer = self.trainer.optimizer;
        Ok(())
    }

    /// The plan behind the step.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Reads loss, penalty (if any) and metrics of the given steps, which must have been submitted.
    ///
    /// # Errors
    /// As [`Plan::records`].
    pub async fn records(&mut self, steps: Range<u64>) -> Result<Vec<[f32; Op::MAX_RECORDED]>> {
        self.plan.records(steps).await
    }

    /// The trainer again, as far as the recorded steps have brought it; all of them must have been submitted.
    pub fn into_trainer(self) -> Trainer {
        let done = self.plan.next_step();
        let epoch = self.trainer.epoch + done - self.trainer.step;
        Trainer { step: done, epoch, ..self.trainer }
    }
}

impl Region {
    /// Records a copy of the whole region from the start of another buffer.
    ///
    /// # Errors
    /// [`Error::Limit`] if the other buffer is shorter than `bytes`, or `bytes` longer than the region or not a
    /// multiple of 4; [`Error::Unsupported`] if its usage does not include `COPY_SRC`.
    pub fn copy_from(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        source: &wgpu::Buffer,
        bytes: u64,
    ) -> Result<()> {
        let limit = self.bytes.min(source.size());
        if bytes > limit || !bytes.is_multiple_of(4) {
            let what = format!("a copy of {bytes} bytes, which must be a multiple of 4,");
            return Err(Error::Limit { what, needed: bytes, limit, unit: "bytes" });
        }
        if !source.usage().contains(wgpu::BufferUsages::COPY_SRC) {
            return Err(Error::unsupported(
                "copy_from",
                "the source buffer's usage does not include COPY_SRC",
            ));
        }
        encoder.copy_buffer_to_buffer(source, 0, &self.buffer, self.offset, bytes);
        Ok(())
    }
}
