//! The options of a step.

use super::Slots;
use crate::engine::gpu::View;
use crate::error::{Error, Result};
use crate::ir::Slot;
#[cfg(doc)]
use crate::train::Trainer;

/// The number of rows of a step, the parts of it that lie in buffers of the host, and further settings.
///
/// ```no_run
/// # fn host(trainer: wgrad::Trainer, buffer: &wgrad::wgpu::Buffer) -> wgrad::Result<()> {
/// use wgrad::Shape;
/// use wgrad::embed::{StepOptions, View};
///
/// let particles = View::new(buffer, 0, Shape::new(&[256, 2])?)?;
/// let step = trainer.into_step(StepOptions::rows(256).inputs(particles).through())?;
/// let _for_the_hosts_own_backward_pass = step.input_gradients()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct StepOptions {
    pub(super) rows: usize,
    pub(super) through: bool,
    pub(super) fused: bool,
    /// The number of steps between snapshots.
    pub(super) snapshots: Option<u64>,
    inputs: Option<View>,
    targets: Option<View>,
    outputs: Option<View>,
    gradients: Option<View>,
    input_gradients: Option<View>,
    /// The buffer of the parameters and their offset in it, in bytes.
    pub(super) parameters: Option<(wgpu::Buffer, u64)>,
}

impl From<usize> for StepOptions {
    fn from(rows: usize) -> Self {
        Self::rows(rows)
    }
}

impl StepOptions {
    /// Creates options for batches of `rows` rows with everything in wgrad's own memory.
    pub fn rows(rows: usize) -> Self {
        Self {
            rows,
            through: false,
            fused: false,
            snapshots: None,
            inputs: None,
            targets: None,
            outputs: None,
            gradients: None,
            input_gradients: None,
            parameters: None,
        }
    }

    /// Reads the inputs from this view: [rows, the network's inputs].
    pub fn inputs(self, view: View) -> Self {
        Self { inputs: Some(view), ..self }
    }

    /// Reads the targets from this view: [rows, the network's outputs], or class indices ([`View::indices`]) of shape
    /// `[rows]`.
    pub fn targets(self, view: View) -> Self {
        Self { targets: Some(view), ..self }
    }

    /// Writes the network's outputs to this view: [rows, the network's outputs].
    pub fn outputs(self, view: View) -> Self {
        Self { outputs: Some(view), ..self }
    }

    /// Keeps dL/d(output) in this view: [rows, the network's outputs]; see
    /// [`TrainingStep::gradients`](super::TrainingStep::gradients).
    pub fn gradients(self, view: View) -> Self {
        Self { gradients: Some(view), ..self }
    }

    /// Fuses the whole step into two dispatches if the network is small enough. Its outputs and gradients are then not
    /// written, and it cannot be recorded in parts.
    pub fn fused(self) -> Self {
        Self { fused: true, ..self }
    }

    /// Also computes dL/d(input) in the backward pass.
    pub fn through(self) -> Self {
        Self { through: true, ..self }
    }

    /// Also computes dL/d(input) in the backward pass and writes it to this view: [rows, the network's inputs].
    pub fn input_gradients(self, view: View) -> Self {
        Self { through: true, input_gradients: Some(view), ..self }
    }

    /// Keeps the parameters in a buffer of the host, starting at byte `offset`; see [`Trainer::move_parameters`].
    pub fn parameters(self, buffer: &wgpu::Buffer, offset: u64) -> Self {
        Self { parameters: Some((buffer.clone(), offset)), ..self }
    }

    /// Records a snapshot every `steps` steps, from which training can resume if the device is lost; see
    /// [`TrainingStep::restore`](super::TrainingStep::restore).
    pub fn snapshot_every(self, steps: u64) -> Self {
        Self { snapshots: Some(steps.max(1)), ..self }
    }

    /// The same options without the host's buffers.
    pub(super) fn without_views(&self) -> Self {
        let &Self { through, fused, snapshots, .. } = self;
        Self { through, fused, snapshots, ..Self::rows(self.rows) }
    }

    pub(super) fn views(&self, slots: &Slots) -> Result<Vec<(Slot, View)>> {
        let places = [
            ("inputs", Some(slots.x), &self.inputs),
            ("targets", slots.target, &self.targets),
            ("outputs", Some(slots.y), &self.outputs),
            ("gradients", slots.grad, &self.gradients),
            ("input gradients", slots.grad_x, &self.input_gradients),
        ];
        let given = places.into_iter().filter_map(|(name, slot, view)| {
            view.clone().map(|view| match slot {
                Some(slot) => Ok((slot, view)),
                None => Err(Error::unsupported("into_step", format!("this step has no {name}"))),
            })
        });
        given.collect()
    }
}
