//! Training steps recorded into a host application's frame.

mod buffers;
mod figures;
mod inference;
mod options;
mod restore;
mod self_test;
mod update;

pub use figures::{Metrics, StepFigures};
pub use inference::Inference;
pub use options::StepOptions;
pub use restore::Snapshot;

use super::Trainer;
use crate::device::Weights;
use crate::engine::gpu::{
    Budget, Choices, Fusion, MemoryUse, Plan, Profile, Region, Snapshots, View,
};
use crate::error::{Error, Result};
use crate::ir::{LiveSteps, Slot, Steps};
use crate::nn::{Layer, Objective, ProgramIo, RecordLayout};
use crate::spec::{Activation, Metric, ParamValue};

/// A training step over a batch of fixed size, recorded into the host application's command encoders.
///
/// The host writes [`TrainingStep::inputs`] and [`TrainingStep::targets`] (by copies, uploads or its own kernels),
/// records steps anywhere in its encoders and decides when to submit them: late, in another order, or not at all. A
/// step can also be recorded in three parts, with passes of the host between them: [`TrainingStep::encode_forward`],
/// [`TrainingStep::encode_backward`] and [`TrainingStep::encode_update`].
#[derive(Debug)]
pub struct TrainingStep {
    trainer: Trainer,
    plan: Plan,
    live: LiveSteps,
    options: StepOptions,
    by_gradient: bool,
    slots: Slots,
    inputs: Region,
    /// The layout of the recorded values.
    record: RecordLayout,
    parts: [usize; 2],
    /// The part of a step that was recorded last.
    part: StepPart,
    snapshots: Snapshots,
    latest: Option<Snapshot>,
}

/// The slots that the host writes and reads.
#[derive(Clone, Copy, Debug)]
struct Slots {
    x: Slot,
    target: Option<Slot>,
    y: Slot,
    grad: Option<Slot>,
    grad_x: Option<Slot>,
}

/// The parts of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StepPart {
    Forward,
    Backward,
    Update,
}

impl Trainer {
    /// Turns the trainer into a step over batches of the given number of rows, or with the given [`StepOptions`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] on the CPU reference; [`Error::Empty`] for a batch without rows; [`Error::Shape`] if the
    /// shape of a view does not match; otherwise as `fit`.
    pub fn into_step(self, options: impl Into<StepOptions>) -> Result<TrainingStep> {
        TrainingStep::new(self, options.into(), false)
    }

    /// Turns the trainer into a step that takes dL/dy from the host, whose shader writes it to
    /// [`TrainingStep::gradients`] between [`TrainingStep::encode_forward`] and [`TrainingStep::encode_backward`]. The
    /// trainer's loss is not used.
    ///
    /// # Errors
    /// As [`Trainer::into_step`].
    pub fn into_gradient_step(self, options: impl Into<StepOptions>) -> Result<TrainingStep> {
        TrainingStep::new(self, options.into(), true)
    }

    /// The trainer after the steps of a plan, each of which counts as one epoch.
    fn after(self, plan: &Plan, rule: &Steps) -> Self {
        let step = plan.next_step();
        let (updates, gathered) = rule.progress(step, plan.skipped_updates());
        let epoch = self.epoch + (step - self.step);
        Self { step, updates, gathered, epoch, ..self }
    }

    fn wire(&self, options: &StepOptions, by_gradient: bool) -> Result<ProgramIo> {
        let (rows, seed) = (options.rows, self.settings.seed);
        let own = self.settings.objective.clone();
        let metrics = match own.metrics.is_empty() && !self.settings.metrics_chosen {
            // The variance of the host's targets is not known.
            true => Metric::suiting(&own.loss, 0.0),
            false => own.metrics,
        };
        let objective = Objective { checked: true, through: options.through, metrics, ..own };
        if by_gradient {
            return self.settings.network.training_by_gradient(
                &objective,
                self.settings.optimizer,
                rows,
                seed,
            );
        }
        if objective.linear_cross_entropy {
            let message = "with linear_cross_entropy there are no outputs that the host could read";
            return Err(Error::unsupported("into_step", message));
        }
        let target = self.natural_target();
        self.settings.network.training(
            &objective,
            self.settings.optimizer,
            target,
            (rows, rows),
            seed,
        )
    }
}

impl TrainingStep {
    fn new(mut trainer: Trainer, options: StepOptions, by_gradient: bool) -> Result<Self> {
        if options.rows == 0 {
            return Err(Error::empty("into_step", "a batch needs at least one row"));
        }
        let io = trainer.wire(&options, by_gradient)?;
        let ProgramIo { x, target, y, grad, grad_x, constants, record, parts, .. } = io;
        let slots = Slots { x, target, y, grad, grad_x };
        let live = trainer.steps(options.rows).across_epochs().live();
        if let Some((buffer, offset)) = &options.parameters {
            trainer.move_parameters(buffer, *offset)?;
        }
        let (Weights::Gpu(weights), Some(gpu)) = (&trainer.weights, trainer.device.gpu()) else {
            let message = "steps are recorded on a GPU; the CPU reference trains with `fit`";
            return Err(Error::unsupported("into_step", message));
        };
        let views = options.views(&slots)?;
        let fusion = if options.fused { gpu.choices().fusion } else { Fusion::Never };
        let gpu = &gpu.choosing(Choices { fusion, ..gpu.choices() });
        let rule = Box::new(live.clone());
        let plan = Plan::ruled(gpu, io.program, Some(weights), &views, trainer.step, rule)?;
        constants.iter().try_for_each(|(slot, data)| plan.write(*slot, data))?;
        let snapshots = Snapshots::new(gpu);
        let missing = || Error::Internal("a step without memory".into());
        let region = |slot| plan.region(slot).cloned().ok_or_else(missing);
        let inputs = region(x)?;
        Ok(Self {
            trainer,
            plan,
            live,
            options,
            by_gradient,
            slots,
            inputs,
            record,
            parts,
            part: StepPart::Update,
            snapshots,
            latest: None,
        })
    }

    /// Records `steps` training steps into the caller's encoder. Submits nothing.
    ///
    /// # Errors
    /// As [`Plan::encode`].
    pub fn encode(&mut self, encoder: &mut wgpu::CommandEncoder, steps: u64) -> Result<()> {
        let before = self.plan.next_step();
        self.plan.encode(encoder, steps)?;
        self.part = StepPart::Update;
        self.snapshot_after(encoder, before)
    }

    /// Records as many training steps as fit into the budget; see [`Plan::encode_within`].
    ///
    /// # Errors
    /// As [`Plan::encode_within`].
    pub fn encode_within(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        budget: Budget,
    ) -> Result<u64> {
        let before = self.plan.next_step();
        let steps = self.plan.encode_within(encoder, budget)?;
        self.part = StepPart::Update;
        self.snapshot_after(encoder, before)?;
        Ok(steps)
    }

    /// Records the forward pass of the next step; may be called again if the last encoder was dropped. Submits nothing.
    ///
    /// # Errors
    /// As [`Plan::encode`].
    pub fn encode_forward(&mut self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        let [forward, _] = self.parts;
        self.plan.encode_ops(encoder, 0..forward)?;
        self.part = StepPart::Forward;
        Ok(())
    }

    /// Records the loss and the backward pass of the step whose forward pass was recorded last. Submits nothing.
    ///
    /// # Errors
    /// As [`Plan::encode`]; [`Error::Unsupported`] without a forward pass.
    pub fn encode_backward(&mut self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        self.follows(
            StepPart::Forward,
            "encode_backward",
            "a backward pass follows a forward pass",
        )?;
        let [forward, backward] = self.parts;
        self.plan.encode_ops(encoder, forward..backward)?;
        self.part = StepPart::Backward;
        Ok(())
    }

    /// Records the gradient transforms and the update of the step whose backward pass was recorded last. Submits
    /// nothing.
    ///
    /// # Errors
    /// As [`Plan::encode`]; [`Error::Unsupported`] without a backward pass.
    pub fn encode_update(&mut self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        self.follows(StepPart::Backward, "encode_update", "an update follows a backward pass")?;
        let (before, [_, backward]) = (self.plan.next_step(), self.parts);
        self.plan.encode_ops(encoder, backward..usize::MAX)?;
        self.part = StepPart::Update;
        self.snapshot_after(encoder, before)
    }

    fn follows(&self, part: StepPart, call: &str, message: &str) -> Result<()> {
        if self.part == part { Ok(()) } else { Err(Error::unsupported(call, message)) }
    }

    /// Records the copy of input rows through wgrad's staging memory.
    ///
    /// # Errors
    /// As [`Plan::upload`].
    pub fn upload_inputs(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        rows: &[f32],
    ) -> Result<()> {
        self.plan.upload(encoder, self.slots.x, rows)
    }

    /// Records the copy of target rows through wgrad's staging memory.
    ///
    /// # Errors
    /// As [`Plan::upload`]; [`Error::Unsupported`] if the step has no targets.
    pub fn upload_targets(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        rows: &[f32],
    ) -> Result<()> {
        let target = self.target()?;
        self.plan.upload(encoder, target, rows)
    }

    /// Records the copy of target classes through wgrad's staging memory.
    ///
    /// # Errors
    /// As [`TrainingStep::upload_targets`].
    pub fn upload_classes(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        classes: &[u32],
    ) -> Result<()> {
        let target = self.target()?;
        self.plan.upload_indices(encoder, target, classes)
    }

    fn target(&self) -> Result<Slot> {
        let missing = || Error::unsupported("step", "this step has no targets");
        self.slots.target.ok_or_else(missing)
    }

    /// Reads the inputs from another buffer from the next recording on; see [`Plan::rebind`].
    ///
    /// # Errors
    /// As [`Plan::rebind`].
    pub fn set_inputs(&mut self, view: &View) -> Result<()> {
        self.rebind(self.slots.x, view)?;
        self.inputs = view.region.clone();
        Ok(())
    }

    /// Reads the targets from another buffer from the next recording on; see [`Plan::rebind`].
    ///
    /// # Errors
    /// As [`Plan::rebind`]; [`Error::Unsupported`] if the step has no targets.
    pub fn set_targets(&mut self, view: &View) -> Result<()> {
        self.rebind(self.target()?, view)
    }

    fn rebind(&mut self, slot: Slot, view: &View) -> Result<()> {
        let Weights::Gpu(weights) = &self.trainer.weights else { return Ok(()) };
        self.plan.rebind(Some(weights), slot, view)
    }

    /// Sets a hyper-parameter of the optimizer, such as `lr`, for the steps recorded from now on.
    ///
    /// # Errors
    /// As [`Trainer::set_optimizer`].
    pub fn set_optimizer<'a>(
        &mut self,
        parameter: &str,
        value: impl Into<ParamValue<'a>>,
    ) -> Result<()> {
        self.trainer.set_optimizer(parameter, value)?;
        self.live.write().optimizer = self.trainer.settings.optimizer;
        Ok(())
    }

    /// Replaces the activation of layer `index` for the steps recorded from now on: by another dropout rate, or by
    /// another function that has no learned parameters and as many outputs. Memory, optimizer state and step are kept;
    /// only new pipelines are compiled.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if that layer is not such an activation or the new one needs other memory;
    /// [`Error::Parameter`]. The step is then unchanged.
    pub fn set_activation(&mut self, index: usize, f: Activation) -> Result<()> {
        let network = self.trainer.settings.network.with_activation(index, f)?;
        let old = std::mem::replace(&mut self.trainer.settings.network, network);
        let outcome = self.rewire();
        if outcome.is_err() {
            self.trainer.settings.network = old;
        }
        outcome
    }

    fn rewire(&mut self) -> Result<()> {
        let io = self.trainer.wire(&self.options, self.by_gradient)?;
        let Weights::Gpu(weights) = &self.trainer.weights else { return Ok(()) };
        let parts = io.parts;
        self.plan.change(Some(weights), io.program)?;
        self.parts = parts;
        Ok(())
    }

    /// Sets the rate of every dropout layer for the steps recorded from now on.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a rate that dropout does not take; [`Error::Unsupported`] without a dropout layer.
    pub fn set_dropout(&mut self, rate: f64) -> Result<()> {
        let f = Activation::dropout().with("rate", rate)?;
        let is_dropout =
            |layer: &Layer| matches!(layer, Layer::Activation(f) if f.name() == "dropout");
        let layers = self.trainer.settings.network.layers().iter().enumerate();
        let places: Vec<usize> =
            layers.filter(|(_, layer)| is_dropout(layer)).map(|(place, _)| place).collect();
        if places.is_empty() {
            return Err(Error::unsupported("set_dropout", "the network has no dropout layer"));
        }
        places.into_iter().try_for_each(|place| self.set_activation(place, f))
    }

    /// The first step not yet recorded. Steps whose encoder was dropped do not count.
    pub fn next_step(&self) -> u64 {
        self.plan.next_step()
    }

    /// The network, with all changes so far.
    pub fn network(&self) -> &crate::nn::Network {
        &self.trainer.settings.network
    }

    /// The plan of the step.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The device memory of the step: that of its plan and the staging buffers of snapshots.
    pub fn memory(&self) -> MemoryUse {
        let mut used = self.plan.memory();
        used.add("staging", self.snapshots.bytes());
        used
    }

    /// Measures `steps` steps of training dispatch by dispatch; see [`Plan::profile`].
    ///
    /// # Errors
    /// As [`Plan::profile`].
    pub async fn profile(&mut self, steps: u64) -> Result<Profile> {
        let profile = self.plan.profile(steps).await;
        self.part = StepPart::Update;
        profile
    }

    /// Turns the step back into the trainer, after all recorded steps, which must have been submitted. Skipped updates
    /// are counted only in steps whose recorded values have come back.
    pub fn into_trainer(self) -> Trainer {
        self.trainer.after(&self.plan, &self.live.read())
    }
}
