//! Transforms of gradients and parameters around the optimizer's update.

use super::Averaging;
use crate::error::{Error, Result};
use crate::spec::Range;
use crate::spec::optimizer::TRANSFORM_STATES;

/// The transforms of gradients before an update, in this order, and of the parameters after it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GradientTransforms {
    /// The number of steps whose mean gradient is accumulated for one update, if more than one.
    pub accumulate: Option<u64>,
    /// True if a group that is incomplete at the end of an epoch continues in the next, instead of an update of fewer
    /// steps.
    pub across_epochs: bool,
    /// True if an update is skipped whose gradients contain a NaN or an infinity.
    pub skip_not_finite: bool,
    /// The largest magnitude of a gradient, if gradients are clipped by value.
    pub clip_value: Option<f64>,
    /// The largest norm of each tensor's gradient, if they are clipped individually.
    pub clip_each: Option<f64>,
    /// The largest norm of all gradients, if they are clipped together.
    pub clip_norm: Option<f64>,
    /// Normal noise of variance `eta / (1 + t)^gamma` on the gradients of update t: `[eta, gamma]`.
    pub noise: Option<[f64; 2]>,
    /// The running mean of the parameters, if any.
    pub average: Option<Averaging>,
}

impl GradientTransforms {
    /// The names of the state values that the transforms keep per parameter, after those of the optimizer.
    pub(crate) fn states(&self) -> Vec<&'static str> {
        let [accumulated, mean] = TRANSFORM_STATES;
        let accumulated = self.accumulate.map(|_| accumulated);
        accumulated.into_iter().chain(self.average.map(|_| mean)).collect()
    }

    /// The number of steps per update.
    pub(crate) fn group(&self) -> u64 {
        self.accumulate.unwrap_or(1).max(1)
    }

    /// Fails unless every setting is in range.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub(crate) fn validate(&self) -> Result<()> {
        if self.accumulate == Some(0) {
            return Err(Error::parameter("training", "accumulate", 0, "it must be at least 1"));
        }
        for (name, value) in ["eta", "gamma"].into_iter().zip(self.noise.unwrap_or_default()) {
            Range::NOT_NEGATIVE.check("training", name, value)?;
        }
        self.average.as_ref().map_or(Ok(()), Averaging::validate)
    }
}
