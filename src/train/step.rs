//! A training step for somebody else's frame.

use std::ops::Range;

use super::Trainer;
use crate::device::{Executor, Weights};
use crate::error::{Error, Result};
use crate::gpu::{Plan, Region};
use crate::nn::{Faults, Goal, TargetKind};
use crate::program::{LiveSteps, Op, Program};

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
    /// Which figures tell of indices that are none.
    faults: Vec<Faults>,
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
        let goal = Goal { checked: true, ..self.goal.clone() };
        let wiring =
            self.network.training(&goal, self.optimizer, target, (rows, rows), self.seed)?;
        let faults = wiring.faults;
        let (x, target) = (wiring.x, wiring.target);
        let (plan, live) = self.record_plan(wiring.program, rows)?;
        let missing = || Error::Internal("the step's inputs have no memory".into());
        let inputs = plan.region(x).cloned().ok_or_else(missing)?;
        let targets = target.and_then(|slot| plan.region(slot)).cloned().ok_or_else(missing)?;
        Ok(TrainingStep { trainer: self, plan, live, inputs, targets, faults })
    }

    /// Turns the trainer into a step over batches of `rows` rows that takes dL/dy from a shader of the host's own:
    /// wgrad does the forward pass, then backward and update. The trainer's loss has no part in it.
    ///
    /// # Errors
    /// As [`Trainer::into_step`].
    pub fn into_gradient_step(self, rows: usize) -> Result<GradientStep> {
        if rows == 0 {
            return Err(Error::empty("into_gradient_step", "a batch needs at least one row"));
        }
        let wiring =
            self.network.training_by_gradient(&self.goal, self.optimizer, rows, self.seed)?;
        let (x, y, grad, forward_ops) = (wiring.x, wiring.y, wiring.grad, wiring.forward_ops);
        let (plan, live) = self.record_plan(wiring.program, rows)?;
        let missing = || Error::Internal("the step's inputs have no memory".into());
        let region = |slot| plan.region(slot).cloned().ok_or_else(missing);
        let gradients = region(grad.ok_or_else(missing)?)?;
        let (inputs, outputs) = (region(x)?, region(y)?);
        let forward = false;
        Ok(GradientStep {
            trainer: self,
            plan,
            live,
            inputs,
            outputs,
            gradients,
            forward_ops,
            forward,
        })
    }

    /// A plan whose steps follow those of the trainer.
    fn record_plan(&self, program: Program, rows: usize) -> Result<(Plan, LiveSteps)> {
        let (rule, live) = self.steps(rows).live();
        let executor = Executor::new(program, &self.weights, &self.device, self.step, rule)?;
        let Executor::Gpu(plan) = executor else {
            let message = "steps are recorded on a GPU; the CPU reference trains with `fit`";
            return Err(Error::unsupported("into_step", message));
        };
        Ok((*plan, live))
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
    /// As [`Plan::records`]; [`Error::Target`] if class targets of these steps were no class, with how many and the
    /// first one's row. Such targets added nothing to the gradient.
    pub async fn records(&mut self, steps: Range<u64>) -> Result<Vec<[f32; Op::MAX_RECORDED]>> {
        let first = steps.start;
        let records = self.plan.records(steps).await?;
        let figure = |record: &[f32; Op::MAX_RECORDED], place: usize| {
            record.get(place).copied().unwrap_or(0.0)
        };
        for (record, step) in records.iter().zip(first..) {
            let found = self.faults.iter().find(|faults| figure(record, faults.count) > 0.0);
            let Some(Faults { count, first, what, limit }) = found else { continue };
            let (count, first) = (figure(record, *count), figure(record, *first));
            let message = format!(
                "{count} {what} are no indices below {limit}; the first is at place {first}"
            );
            return Err(Error::Target { op: format!("training step {step}"), message });
        }
        Ok(records)
    }

    /// The trainer again, as far as the recorded steps have brought it; all of them must have been submitted.
    /// Skipped updates count as far as figures were read.
    pub fn into_trainer(self) -> Trainer {
        self.trainer.after(&self.plan)
    }
}

impl Trainer {
    /// The trainer after the steps of a plan, of one epoch each.
    fn after(self, plan: &Plan) -> Self {
        let (step, skipped) = (plan.next_step(), self.skipped + plan.skipped_steps());
        let epoch = self.epoch + step - self.step;
        Self { step, skipped, epoch, ..self }
    }
}

/// A training step whose gradient by the network's output the host application writes itself.
///
/// A step is recorded in two parts: [`GradientStep::encode_forward`], then the host's own pass from
/// [`GradientStep::outputs`] to [`GradientStep::gradients`], then [`GradientStep::encode_update`].
#[derive(Debug)]
pub struct GradientStep {
    trainer: Trainer,
    plan: Plan,
    live: LiveSteps,
    inputs: Region,
    outputs: Region,
    gradients: Region,
    forward_ops: usize,
    /// Whether a forward pass was recorded that no update has followed yet.
    forward: bool,
}

impl GradientStep {
    /// Sets a hyper-parameter of the optimizer, such as `lr`, for the updates recorded from now on.
    ///
    /// # Errors
    /// As [`Trainer::set_optimizer`].
    pub fn set_optimizer(&mut self, parameter: &str, value: f64) -> Result<()> {
        self.trainer.set_optimizer(parameter, value)?;
        self.live.write().optimizer = self.trainer.optimizer;
        Ok(())
    }

    /// Where the inputs go: `rows` rows of the network's features, `f32`, row-major.
    pub fn inputs(&self) -> &Region {
        &self.inputs
    }

    /// Where the forward pass leaves the network's outputs: `rows` rows, `f32`.
    pub fn outputs(&self) -> &Region {
        &self.outputs
    }

    /// Where the host writes dL/d(output): `rows` rows, `f32`.
    pub fn gradients(&self) -> &Region {
        &self.gradients
    }

    /// Records the forward pass of the next step. Nothing is submitted.
    ///
    /// # Errors
    /// As [`Plan::encode`]; [`Error::Unsupported`] if the last forward pass was not followed by its update.
    pub fn encode_forward(&mut self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        if self.forward {
            let message = "the last forward pass was not followed by its update";
            return Err(Error::unsupported("encode_forward", message));
        }
        self.plan.encode_ops(encoder, 0..self.forward_ops)?;
        self.forward = true;
        Ok(())
    }

    /// Records backward and update of the step whose forward pass was recorded last. Nothing is submitted.
    ///
    /// # Errors
    /// As [`Plan::encode`]; [`Error::Unsupported`] without a forward pass.
    pub fn encode_update(&mut self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        if !self.forward {
            let message = "an update follows a forward pass; record `encode_forward` first";
            return Err(Error::unsupported("encode_update", message));
        }
        self.plan.encode_ops(encoder, self.forward_ops..usize::MAX)?;
        self.forward = false;
        Ok(())
    }

    /// The plan behind the step.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The trainer again, as far as the recorded steps have brought it; all of them must have been submitted.
    /// Skipped updates count as far as figures were read.
    pub fn into_trainer(self) -> Trainer {
        self.trainer.after(&self.plan)
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
