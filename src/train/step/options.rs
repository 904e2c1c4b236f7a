//! How a step is laid out.

use super::Slots;
use crate::error::{Error, Result};
use crate::gpu::View;
use crate::program::Slot;
#[cfg(doc)]
use crate::train::Trainer;

/// The rows of a step, and what of it lies in the host's own buffers.
///
/// ```no_run
/// # fn host(trainer: wgrad::Trainer, buffer: &wgrad::wgpu::Buffer) -> wgrad::Result<()> {
/// use wgrad::Shape;
/// use wgrad::gpu::View;
/// use wgrad::train::StepOptions;
///
/// let particles = View::new(buffer, 0, Shape::new(&[256, 2])?)?;
/// let step = trainer.into_step(StepOptions::rows(256).inputs(particles).through())?;
/// let _for_the_hosts_own_backward_pass = step.input_gradients()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StepOptions {
    pub(super) rows: usize,
    pub(super) through: bool,
    pub(super) fused: bool,
    /// How often snapshots are recorded, in steps.
    pub(super) snapshots: Option<u64>,
    inputs: Option<View>,
    targets: Option<View>,
    outputs: Option<View>,
    gradients: Option<View>,
    input_gradients: Option<View>,
    /// A buffer, and where in it they begin, in bytes.
    pub(super) parameters: Option<(wgpu::Buffer, u64)>,
}

impl From<usize> for StepOptions {
    fn from(rows: usize) -> Self {
        Self::rows(rows)
    }
}

impl StepOptions {
    /// Batches of so many rows, everything in memory of wgrad's.
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

    /// The inputs lie there: [rows, the network's inputs].
    pub fn inputs(self, view: View) -> Self {
        Self { inputs: Some(view), ..self }
    }

    /// The targets lie there: [rows, the network's outputs], or class indices ([`View::indices`]) of shape `[rows]`.
    pub fn targets(self, view: View) -> Self {
        Self { targets: Some(view), ..self }
    }

    /// The network's outputs go there: [rows, the network's outputs].
    pub fn outputs(self, view: View) -> Self {
        Self { outputs: Some(view), ..self }
    }

    /// dL/d(output) lies there: [rows, the network's outputs]; see [`TrainingStep::gradients`](super::TrainingStep::gradients).
    pub fn gradients(self, view: View) -> Self {
        Self { gradients: Some(view), ..self }
    }

    /// The whole step in two dispatches if the network is small enough for that: then its outputs and gradients are not
    /// written, and it is not recorded in parts.
    pub fn fused(self) -> Self {
        Self { fused: true, ..self }
    }

    /// Backward also computes dL/d(input).
    pub fn through(self) -> Self {
        Self { through: true, ..self }
    }

    /// Backward also computes dL/d(input), which goes there: [rows, the network's inputs].
    pub fn input_gradients(self, view: View) -> Self {
        Self { through: true, input_gradients: Some(view), ..self }
    }

    /// The parameters lie in a buffer of the host's from byte `offset` on; see [`Trainer::move_parameters`].
    pub fn parameters(self, buffer: &wgpu::Buffer, offset: u64) -> Self {
        Self { parameters: Some((buffer.clone(), offset)), ..self }
    }

    /// Every so many steps a snapshot is recorded with them, to be restored should the device be lost; see
    /// [`TrainingStep::restore`](super::TrainingStep::restore).
    pub fn snapshot_every(self, steps: u64) -> Self {
        Self { snapshots: Some(steps.max(1)), ..self }
    }

    /// The same without the host's buffers.
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
