//! Measuring which tilings suit a trainer's matrix products.

use super::Trainer;
use crate::data::Dataset;
use crate::device::Device;
use crate::error::Result;
use crate::gpu::Tuning;

impl Trainer {
    /// Measures which tilings are fastest for the matrix products of training on batches of `batch` rows, which takes
    /// seconds, and takes those from the next call on. [`Trainer::save`] keeps them for the adapter that they were measured
    /// on. Small networks, whose steps are two dispatches, have no product by itself; the CPU has nothing to choose.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) if the data do not fit the network, as [`Trainer::fit`];
    /// [`Error::DeviceLost`](crate::Error::DeviceLost).
    #[cfg(not(target_family = "wasm"))]
    pub fn tune(&mut self, data: &Dataset, batch: usize) -> Result<()> {
        let (io, _) = self.io("tune", data, batch)?;
        let Device::Gpu(gpu) = &self.device else { return Ok(()) };
        let tuning = gpu.tune(&io.program)?;
        self.device = gpu.tuned(tuning).into();
        Ok(())
    }

    /// The tilings that were measured, with the adapter that they are for, as a checkpoint keeps them.
    pub(super) fn tuning_fields(&self) -> Vec<(String, String)> {
        match &self.device {
            Device::Gpu(gpu) if !gpu.tuning().is_empty() => vec![
                ("adapter".to_string(), gpu.info().name.clone()),
                ("tuning".to_string(), gpu.tuning().to_string()),
            ],
            _ => Vec::new(),
        }
    }

    /// Takes the tilings of a checkpoint if they are for this adapter.
    pub(super) fn take_tuning(&mut self, adapter: &str, tuning: Tuning) {
        if let Device::Gpu(gpu) = &self.device
            && gpu.info().name == adapter
        {
            self.device = gpu.tuned(tuning).into();
        }
    }
}
