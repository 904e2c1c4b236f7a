//! Tuning: measures which tilings are fastest for a trainer's matrix products.

use super::Trainer;
use crate::data::Dataset;
use crate::device::Device;
use crate::engine::gpu::Tuning;
use crate::error::Result;

impl Trainer {
    /// Measures which tilings are fastest for the matrix products of training on batches of `batch` rows, and uses them
    /// from the next call on. This takes seconds. [`Trainer::save`] stores them with the adapter on which they were
    /// measured. There is nothing to measure for small networks, whose fused steps of two dispatches contain no
    /// separate product, nor on the CPU.
    ///
    /// # Errors
    /// As [`Trainer::fit`] if the data does not match the network; [`Error::DeviceLost`](crate::Error::DeviceLost).
    #[cfg(not(target_family = "wasm"))]
    pub fn tune(&mut self, data: &Dataset, batch: usize) -> Result<()> {
        pollster::block_on(self.tune_async(data, batch))
    }

    /// As [`Trainer::tune`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::tune`].
    pub async fn tune_async(&mut self, data: &Dataset, batch: usize) -> Result<()> {
        let first = if self.exceeds_device(data) { batch.min(data.len()) } else { data.len() };
        let data = data.rows(0..first)?;
        let data = self.standardized(&data)?;
        let (io, _) = self.io("tune", &self.objective_for(&data, None), &data, batch)?;
        let Device::Gpu(gpu) = &self.device else { return Ok(()) };
        let tuning = gpu.tune_async(&io.program).await?;
        self.device = gpu.tuned(tuning).into();
        Ok(())
    }

    /// The measured tilings and their adapter as fields of a checkpoint.
    pub(super) fn tuning_fields(&self) -> Vec<(String, String)> {
        match &self.device {
            Device::Gpu(gpu) if !gpu.tuning().is_empty() => vec![
                ("adapter".to_string(), gpu.info().name.clone()),
                ("tuning".to_string(), gpu.tuning().to_string()),
            ],
            _ => Vec::new(),
        }
    }

    /// Uses the tilings of a checkpoint if they were measured on this adapter.
    pub(super) fn take_tuning(&mut self, adapter: &str, tuning: Tuning) {
        if let Device::Gpu(gpu) = &self.device
            && gpu.info().name == adapter
        {
            self.device = gpu.tuned(tuning).into();
        }
    }
}
