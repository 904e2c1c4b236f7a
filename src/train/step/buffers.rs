//! The buffers of a step that the host writes and reads.

use super::TrainingStep;
use crate::device::Weights;
use crate::engine::gpu::Region;
use crate::error::{Error, Result};
use crate::ir::Slot;
use crate::nn::TargetKind;
use crate::train::Trainer;

impl Trainer {
    /// Moves the parameters into a buffer of the host, starting at byte `offset`, where the host's pipelines can bind
    /// and read them and, between steps, write them. [`Network::param_ranges`](crate::nn::Network::param_ranges) gives
    /// the range of each parameter, [`Network::param_bytes`](crate::nn::Network::param_bytes) their total size. Steps
    /// and passes created from this trainer afterwards use that buffer; those created before keep their memory. The
    /// copy is submitted.
    ///
    /// ```no_run
    /// # fn host(mut trainer: wgrad::Trainer, device: &wgrad::wgpu::Device) -> wgrad::Result<()> {
    /// use wgrad::wgpu::{BufferDescriptor, BufferUsages};
    ///
    /// let buffer = device.create_buffer(&BufferDescriptor {
    ///     label: Some("weights"),
    ///     size: trainer.network().param_bytes(),
    ///     usage: BufferUsages::STORAGE | BufferUsages::COPY_SRC | BufferUsages::COPY_DST,
    ///     mapped_at_creation: false,
    /// });
    /// trainer.move_parameters(&buffer, 0)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Limit`] unless the buffer is large enough and the offset is a multiple of 256; [`Error::Unsupported`]
    /// if its usage lacks `STORAGE`, `COPY_SRC` or `COPY_DST`, if it already holds the parameters, or on the CPU
    /// reference.
    pub fn move_parameters(&mut self, buffer: &wgpu::Buffer, offset: u64) -> Result<()> {
        match &mut self.weights {
            Weights::Gpu(weights) => weights.move_params(buffer, offset),
            Weights::Cpu(_) => {
                let message = "the CPU reference has no buffers";
                Err(Error::unsupported("move_parameters", message))
            }
        }
    }
}

impl TrainingStep {
    pub(super) fn region(&self, what: &str, slot: Option<Slot>) -> Result<&Region> {
        let region = slot.and_then(|slot| self.plan.region(slot));
        region.ok_or_else(|| Error::unsupported("step", format!("this step has no {what}")))
    }

    /// The region of the inputs: rows of the network's features, `f32`, row-major.
    pub fn inputs(&self) -> &Region {
        &self.inputs
    }

    /// The region of the targets: `f32` rows, or one `u32` class index per row for a loss that takes classes.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the step takes dL/dy from the host.
    pub fn targets(&self) -> Result<&Region> {
        self.region("targets", self.slots.target)
    }

    /// The region to which the forward pass writes the network's outputs: `f32` rows.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the step is [fused](super::StepOptions::fused) and so does not write them.
    pub fn outputs(&self) -> Result<&Region> {
        self.region("outputs", Some(self.slots.y))
    }

    /// The region of dL/d(output), `f32` rows, written by the host or by the loss. If a last sigmoid, softmax or
    /// log_softmax is fused with the loss ([`Trainer::new`]), it is the gradient with respect to the logits.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the loss has no gradient.
    pub fn gradients(&self) -> Result<&Region> {
        self.region("gradients", self.slots.grad)
    }

    /// The region to which the backward pass writes dL/d(input), `f32` rows, for a differentiable pass of the host
    /// before this one.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless [`StepOptions::through`](super::StepOptions::through) was set.
    pub fn input_gradients(&self) -> Result<&Region> {
        self.region("input gradients; ask for them with StepOptions::through", self.slots.grad_x)
    }

    /// The kind of targets in [`TrainingStep::targets`].
    #[doc(hidden)]
    pub fn target_kind(&self) -> TargetKind {
        self.trainer.natural_target()
    }

    /// The region of a parameter, to be bound by the host's pipelines; `index` is that of
    /// [`Network::params`](crate::nn::Network::params).
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is no such parameter.
    pub fn parameter(&self, index: usize) -> Result<Region> {
        self.weights()?.param(index)
    }

    fn weights(&self) -> Result<&crate::engine::gpu::PlanWeights> {
        match &self.trainer.weights {
            Weights::Gpu(weights) => Ok(weights),
            Weights::Cpu(_) => Err(Error::Internal("a step without a GPU".into())),
        }
    }
}

impl Region {
    /// Records a copy of `bytes` bytes from the start of another buffer to the start of the region.
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
