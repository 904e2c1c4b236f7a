//! Self tests of one network's kernels against the CPU reference.

use super::TrainingStep;
use crate::data::Dataset;
use crate::engine::gpu::Gpu;
use crate::error::{Error, Result};
use crate::ir::Steps;
use crate::nn::ProgramIo;
use crate::self_test::{Case, Check};
use crate::train::Trainer;

impl Trainer {
    /// Runs two training steps with exactly the kernels that [`Trainer::fit`] would use for this data in batches of
    /// `batch` rows, and compares the results of each dispatch with the reference. The test uses its own weights and
    /// random inputs: only the shape of the data matters, and the training run is not affected.
    ///
    /// ```
    /// use wgrad::embed::Verdict;
    /// use wgrad::prelude::*;
    ///
    /// # let Ok(gpu) = Gpu::new() else { return Ok(()) };
    /// let model = Sequential::new(2).dense(16).activation(Activation::tanh()).dense(3);
    /// let trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam()).on(&gpu.into())?;
    /// let check = trainer.self_test(&data::spiral(10, 3, 0)?, 30)?;
    /// assert!(matches!(check.verdict, Verdict::Passed(_)), "{check:?}");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// Submits work and waits for the device.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on the CPU reference; as `fit` if the data does not match the network; as
    /// [`self_test`](crate::embed::self_test_async).
    #[cfg(not(target_family = "wasm"))]
    pub fn self_test(&self, data: &Dataset, batch: usize) -> Result<Check> {
        pollster::block_on(self.self_test_async(data, batch))
    }

    /// As [`Trainer::self_test`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::self_test`].
    pub async fn self_test_async(&self, data: &Dataset, batch: usize) -> Result<Check> {
        let Some(gpu) = self.device.gpu() else {
            let message = "it is the CPU reference that kernels are compared with";
            return Err(Error::unsupported("self_test", message));
        };
        let (io, batch) = self.io("self_test", &self.objective_for(data, None), data, batch)?;
        let rule = Steps { batch, ..self.steps(data.len()) };
        self.check_kernels(gpu, &io, rule).await
    }

    async fn check_kernels(&self, gpu: &Gpu, io: &ProgramIo, rule: Steps) -> Result<Check> {
        let name = io.program.name().to_string();
        Case::training(name, &self.settings.network, io, rule, &self.settings.objective.loss)?
            .check(gpu)
            .await
    }
}

impl TrainingStep {
    /// Runs two steps of this step's program with the kernels of its plan, on separate weights and random inputs, and
    /// compares the results of each dispatch with the reference. The training run is not affected. Submits work and
    /// waits for the device.
    ///
    /// # Errors
    /// As [`self_test`](crate::embed::self_test_async).
    pub async fn self_test(&self) -> Result<Check> {
        let io = self.trainer.wire(&self.options, self.by_gradient)?;
        let rule = self.trainer.steps(self.options.rows).across_epochs();
        self.trainer.check_kernels(self.plan.gpu(), &io, rule).await
    }
}
