//! What happens to gradients and parameters around the optimizer's update.

use crate::error::{Error, Result};
use crate::program::Averaging;
use crate::spec::Range;

/// What happens to gradients before an update, in this order, and to the parameters after it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GradientTransforms {
    /// How many steps gather the mean of their gradients for one update, if more than one.
    pub accumulate: Option<u64>,
    /// Whether an epoch that ends before they are gathered leaves them to the next, instead of an update of fewer steps.
    pub across_epochs: bool,
    /// Whether an update is skipped whose gradients hold a NaN or an infinity.
    pub skip_not_finite: bool,
    /// The largest gradient, if gradients are clipped by value.
    pub clip_value: Option<f64>,
    /// The largest norm of each tensor's gradient, if they are clipped one by one.
    pub clip_each: Option<f64>,
    /// The largest norm of all gradients, if they are clipped together.
    pub clip_norm: Option<f64>,
    /// Normal noise of variance `eta / (1 + t)^gamma` on the gradients of update t: `[eta, gamma]`.
    pub noise: Option<[f64; 2]>,
    /// The mean of the parameters that is kept.
    pub average: Option<Averaging>,
}

impl GradientTransforms {
    /// The names of the state values that it keeps per parameter, after those of the optimizer.
    pub fn states(&self) -> Vec<&'static str> {
        let accumulated = self.accumulate.map(|_| "accumulated_grad");
        accumulated.into_iter().chain(self.average.map(|_| "mean")).collect()
    }

    /// How many steps an update takes.
    pub fn group(&self) -> u64 {
        self.accumulate.unwrap_or(1).max(1)
    }

    /// Fails unless every setting is in its range.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub fn validate(&self) -> Result<()> {
        if self.accumulate == Some(0) {
            let (op, name) = ("training".to_string(), "accumulate".to_string());
            let valid = "it must be at least 1".to_string();
            return Err(Error::Parameter { op, name, value: 0.0, valid });
        }
        for (name, value) in ["eta", "gamma"].into_iter().zip(self.noise.unwrap_or_default()) {
            Range::NOT_NEGATIVE.check("training", name, value)?;
        }
        self.average.as_ref().map_or(Ok(()), Averaging::validate)
    }
}
