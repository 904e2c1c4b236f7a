//! Updates of an optimizer alone, recorded into the host's encoders.

use crate::device::{Tensor, Updater};
use crate::error::Result;

impl Updater {
    /// Records an update into the host's encoder: the gradients are those that the encoder has written up to here. A
    /// tensor over a buffer of the host's own comes from [`Device::tensor_over`](crate::Device::tensor_over). Nothing is
    /// submitted.
    ///
    /// ```no_run
    /// # fn host(gpu: &wgrad::embed::Gpu, buffer: &wgrad::wgpu::Buffer, encoder: &mut wgrad::wgpu::CommandEncoder) -> wgrad::Result<()> {
    /// use wgrad::embed::View;
    /// use wgrad::{Device, Optimizer, Shape};
    ///
    /// let device = Device::from(gpu.clone());
    /// let p = device.tensor_over(&View::new(buffer, 0, Shape::new(&[64, 3])?)?)?;
    /// let g = device.tensor_over(&View::new(buffer, 1024, Shape::new(&[64, 3])?)?)?;
    /// let mut updater = device.updater(Optimizer::adam(), &[&p])?;
    /// updater.encode(encoder, &[&g])?; // every frame
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Updater::step`] and [`Plan::encode`](crate::ir::Plan::encode); [`Error::Unsupported`](crate::Error::Unsupported)
    /// on the CPU reference, or if the usage of a buffer does not include `COPY_SRC` and, for a parameter, `COPY_DST`.
    pub fn encode(&mut self, encoder: &mut wgpu::CommandEncoder, grads: &[&Tensor]) -> Result<()> {
        self.recorded(grads, |plan, tensors, loss| plan.encode(encoder, tensors, loss))
    }
}
