//! Averages of the parameters, kept in addition to them; the caller chooses which of the two is used.

use ndarray::ArrayD;

use super::Trainer;
use crate::error::{Error, Result};

impl Trainer {
    /// The names of the state values kept per parameter: the optimizer's, then those of the gradient transforms.
    pub(super) fn state_names(&self) -> Vec<&'static str> {
        let transforms = self.settings.objective.transforms.states();
        self.settings.optimizer.states().iter().copied().chain(transforms).collect()
    }

    fn state_named(&self, name: &str) -> Option<usize> {
        self.state_names().iter().position(|state| *state == name)
    }

    /// Initializes the mean, if one is kept, with the parameters.
    pub(super) fn begin_mean(&mut self, params: &[Vec<f32>]) -> Result<()> {
        self.state_named("mean").map_or(Ok(()), |state| self.weights.write_state(state, params))
    }

    /// As [`Trainer::begin_mean`], for some of the parameters.
    pub(super) fn begin_some_mean(&mut self, params: &[Option<Vec<f32>>]) -> Result<()> {
        let mean = self.state_named("mean");
        mean.map_or(Ok(()), |state| self.weights.write_some_state(state, params))
    }

    /// The averaged parameters by name, in the order of the layers: the mean requested with
    /// [`TrainerBuilder::average`](super::TrainerBuilder::average), or that of an optimizer that keeps one (asgd,
    /// schedule_free).
    ///
    /// # Errors
    /// [`Error::Unsupported`] if no mean is kept; [`Error::DeviceLost`] and [`Error::Timeout`] on a GPU.
    pub async fn averaged_parameters_async(&self) -> Result<Vec<(String, ArrayD<f32>)>> {
        self.named(self.means().await?)
    }

    /// As [`Trainer::averaged_parameters_async`], blocking.
    ///
    /// # Errors
    /// As [`Trainer::averaged_parameters_async`].
    #[cfg(not(target_family = "wasm"))]
    pub fn averaged_parameters(&self) -> Result<Vec<(String, ArrayD<f32>)>> {
        pollster::block_on(self.averaged_parameters_async())
    }

    /// Calls `f` with the averaged parameters in place, to evaluate, predict or save, and then restores the raw ones,
    /// even if `f` fails.
    ///
    /// ```
    /// use wgrad::prelude::*;
    /// use wgrad::train::Averaging;
    ///
    /// let data = data::spiral(20, 3, 0)?;
    /// let model = Sequential::new(2).dense(16).activation(Activation::relu()).dense(3);
    /// let mut trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam())
    ///     .average(Averaging::Ema { decay: 0.9 })
    ///     .on(&Device::cpu())?;
    /// trainer.fit(&data, Fit::epochs(50))?;
    /// let raw = trainer.evaluate(&data)?.loss();
    /// let averaged = trainer.with_averaged(|trainer| trainer.evaluate(&data))?.loss();
    /// assert!(averaged > raw, "the mean lies behind while the loss still falls");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Trainer::averaged_parameters_async`], and the errors of `f`.
    #[cfg(not(target_family = "wasm"))]
    pub fn with_averaged<T>(&mut self, f: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        pollster::block_on(self.with_averaged_async(async |trainer| f(trainer)))
    }

    /// As [`Trainer::with_averaged`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::with_averaged`].
    pub async fn with_averaged_async<T>(
        &mut self,
        f: impl AsyncFnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let means = self.means().await?;
        let raw = self.weights.read_params().await?;
        self.weights.write_params(&means)?;
        let outcome = f(self).await;
        self.weights.write_params(&raw)?;
        outcome
    }

    async fn means(&self) -> Result<Vec<Vec<f32>>> {
        let mut means = self.all_means().await?;
        if self.state_named("mean").is_some() {
            return Ok(means);
        }
        // The optimizer keeps no mean of parameters that it does not update, such as the running statistics of a batch
        // norm.
        let raw = self.weights.read_params().await?;
        let params = self.settings.network.params().iter().zip(raw).zip(&mut means);
        params
            .filter(|((info, _), _)| info.multiplier == 0.0)
            .for_each(|((_, raw), mean)| *mean = raw);
        Ok(means)
    }

    async fn all_means(&self) -> Result<Vec<Vec<f32>>> {
        if let Some(state) = self.state_named("mean") {
            return self.weights.read_state(state).await;
        }
        let Some((state, mean)) = self.settings.optimizer.mean() else {
            let message =
                format!("{} keeps no mean; ask for one with `average`", self.settings.optimizer);
            return Err(Error::unsupported("averaged_parameters", message));
        };
        let raw = self.weights.read_params().await?;
        // Before the first update the optimizer's state is empty.
        if self.updates == 0 {
            return Ok(raw);
        }
        let state = self.state_named(state).unwrap_or_default();
        let kept = self.weights.read_state(state).await?;
        let of_tensor = |(raw, kept): (&Vec<f32>, Vec<f32>)| {
            raw.iter()
                .zip(kept)
                .map(|(&p, s)| mean(self.settings.optimizer.values(), p.into(), s.into()) as f32)
                .collect()
        };
        Ok(raw.iter().zip(kept).map(of_tensor).collect())
    }
}
