//! Predictions inside a host application's frame, with the current weights.

use super::{StepOptions, TrainingStep};
use crate::device::Weights;
use crate::engine::gpu::{Plan, Region};
use crate::error::{Error, Result};
use crate::ir::{Slot, StepEntry};
use crate::nn::ProgramIo;
use crate::train::Trainer;

/// A forward pass over a fixed number of rows, recorded into the host application's command encoders. It reads the same
/// weights that training changes, so it sees every step submitted before it.
#[derive(Debug)]
pub struct Inference {
    plan: Plan,
    x: Slot,
    inputs: Region,
    outputs: Region,
}

impl Trainer {
    /// Creates a forward pass for the host's frames; of the options, only rows, inputs and outputs apply.
    ///
    /// # Errors
    /// As [`Trainer::into_step`].
    pub fn inference(&self, options: impl Into<StepOptions>) -> Result<Inference> {
        let options = options.into();
        if options.rows == 0 {
            return Err(Error::empty("inference", "a batch needs at least one row"));
        }
        let (Weights::Gpu(weights), Some(gpu)) = (&self.weights, self.device.gpu()) else {
            let message = "passes are recorded on a GPU; use `predict` on the CPU reference";
            return Err(Error::unsupported("inference", message));
        };
        if options.parameters.is_some() {
            let message = "a pass takes the weights where they are; see Trainer::move_parameters";
            return Err(Error::unsupported("inference", message));
        }
        let ProgramIo { program, x, y, target, grad, grad_x, .. } =
            self.settings.network.inference(options.rows)?;
        let views = options.views(&super::Slots { x, target, y, grad, grad_x })?;
        let entry = StepEntry::rows(options.rows);
        let plan = Plan::new(gpu, program, Some(weights), &views, 0, move |_| entry)?;
        let missing = || Error::Internal("a pass without memory".into());
        let region = |slot| plan.region(slot).cloned().ok_or_else(missing);
        let (inputs, outputs) = (region(x)?, region(y)?);
        Ok(Inference { plan, x, inputs, outputs })
    }
}

impl TrainingStep {
    /// As [`Trainer::inference`], with the weights of this step.
    ///
    /// # Errors
    /// As [`Trainer::inference`].
    pub fn inference(&self, options: impl Into<StepOptions>) -> Result<Inference> {
        self.trainer.inference(options)
    }
}

impl Inference {
    /// The region of the inputs: `f32` rows.
    pub fn inputs(&self) -> &Region {
        &self.inputs
    }

    /// The region of the outputs: `f32` rows.
    pub fn outputs(&self) -> &Region {
        &self.outputs
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
        self.plan.upload(encoder, self.x, rows)
    }

    /// Records the forward pass. Nothing is submitted.
    ///
    /// # Errors
    /// As [`Plan::encode`].
    pub fn encode(&mut self, encoder: &mut wgpu::CommandEncoder) -> Result<()> {
        self.plan.encode(encoder, 1)
    }

    /// The plan of the pass.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }
}
