//! Where what the host writes and reads lies.

use super::TrainingStep;
use crate::device::Weights;
use crate::error::{Error, Result};
use crate::gpu::Region;
use crate::nn::TargetKind;
use crate::program::Slot;
use crate::train::Trainer;

impl Trainer {
    /// Moves the parameters into a buffer of the host's, from byte `offset` on, where its own pipelines can bind them, read
    /// them and, between steps, write them. [`Network::param_ranges`](crate::nn::Network::param_ranges) says where in it
    /// each begins, [`Network::param_bytes`](crate::nn::Network::param_bytes) how much room they take. Everything made of
    /// this trainer afterwards works there; passes made before keep the memory they had. The copy is submitted.
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
    /// [`Error::Limit`] unless the buffer has room and the offset is a multiple of 256; [`Error::Unsupported`] if its usage
    /// lacks `STORAGE`, `COPY_SRC` or `COPY_DST`, if they lie in it already, or on the CPU reference.
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

    /// Where the inputs go: rows of the network's features, `f32`, row-major.
    pub fn inputs(&self) -> &Region {
        &self.inputs
    }

    /// Where the targets go: `f32` rows, or with a row-wise loss one `u32` class index a row.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the step takes dL/dy from the host.
    pub fn targets(&self) -> Result<&Region> {
        self.region("targets", self.slots.target)
    }

    /// Where the forward pass leaves the network's outputs: `f32` rows.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the step is [fused](super::StepOptions::fused), which leaves none.
    pub fn outputs(&self) -> Result<&Region> {
        self.region("outputs", Some(self.slots.y))
    }

    /// Where dL/d(output) lies, `f32` rows: written by the host, or else by the loss. Where a last sigmoid, softmax or
    /// log_softmax goes together with the loss ([`Trainer::new`]), it is the gradient by the logits.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the loss has no gradient.
    pub fn gradients(&self) -> Result<&Region> {
        self.region("gradients", self.slots.grad)
    }

    /// Where backward leaves dL/d(input), `f32` rows, for a differentiable pass of the host's before this one.
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless [`StepOptions::through`](super::StepOptions::through) was asked for.
    pub fn input_gradients(&self) -> Result<&Region> {
        self.region("input gradients; ask for them with StepOptions::through", self.slots.grad_x)
    }

    /// What [`TrainingStep::targets`] holds.
    pub fn target_kind(&self) -> TargetKind {
        self.trainer.natural_target()
    }

    /// Where a parameter lies, to be bound by the host's own pipelines; in the order of
    /// [`Network::params`](crate::nn::Network::params).
    ///
    /// # Errors
    /// [`Error::Unsupported`] if there is no such parameter.
    pub fn parameter(&self, index: usize) -> Result<Region> {
        self.weights()?.param(index)
    }

    fn weights(&self) -> Result<&crate::gpu::Weights> {
        match &self.trainer.weights {
            Weights::Gpu(weights) => Ok(weights),
            Weights::Cpu(_) => Err(Error::Internal("a step without a GPU".into())),
        }
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
