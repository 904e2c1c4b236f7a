//! Ops over gradients and parameters: penalties, clipping, noise, accumulation, averages, the optimizer's update.

mod build;
pub(crate) mod cases;
mod cpu;
mod gpu;
mod gradient;
pub(crate) mod kernels;
mod orthogonal;

use crate::ir::{Effects, Operand, Slot};
use crate::random::Key;
use crate::spec::Optimizer;

/// An op over all parameters and their gradients.
#[derive(Clone, Debug, PartialEq)]
pub enum UpdateOp {
    /// The L1 and L2 penalties of all parameters; optionally also added to the gradients.
    Penalty {
        /// One element.
        value: Slot,
        /// True if they are added to the gradients.
        backward: bool,
    },
    /// Clamps every gradient to [-limit, limit].
    ClipValue {
        /// The largest magnitude.
        limit: f64,
    },
    /// Scales all gradients by min(1, max / (norm + 1e-6)), the norm taken over all of them.
    ClipNorm {
        /// The largest norm.
        max: f64,
        /// The norm before clipping.
        norm: Slot,
    },
    /// Scales each tensor's gradient so that its norm is at most `max`.
    ClipEach {
        /// The largest norm.
        max: f64,
    },
    /// Adds normal noise with the step's standard deviation to the gradients.
    GradientNoise {
        /// The stream of random numbers.
        key: Key,
    },
    /// Accumulates the gradients of a group of steps: each gradient becomes the weighted sum of those so far, with the
    /// weight that the step's entry gives.
    Accumulate {
        /// The state value that holds the sum.
        state: usize,
    },
    /// Skips this step's update, and that of the mean, if an update is due and a gradient is NaN or infinite: nothing
    /// changes, and the next update has the number of this one.
    SkipNotFinite {
        /// 1 if the update is skipped, else 0.
        skipped: Slot,
    },
    /// Moves a mean of the parameters by the fraction in the step's entry.
    Average {
        /// The state value that holds the mean.
        state: usize,
        /// True if the parameters are set to the mean when it moves.
        follows: bool,
    },
    /// Replaces each matrix's gradient by the momentum that the optimizer orthogonalizes.
    Direction {
        /// The optimizer.
        optimizer: Optimizer,
    },
    /// Updates all parameters from their gradients.
    Update {
        /// The optimizer.
        optimizer: Optimizer,
        /// The step's loss, for optimizers that use it.
        loss: Option<Slot>,
        /// The stream of its random numbers.
        key: Key,
    },
}

impl UpdateOp {
    /// The op's name.
    pub fn name(&self) -> String {
        match self {
            Self::Penalty { .. } => "penalty".into(),
            Self::ClipValue { limit } => format!("clip_value(limit={limit})"),
            Self::ClipNorm { max, .. } => format!("clip_norm(max={max})"),
            Self::ClipEach { max } => format!("clip_each(max={max})"),
            Self::GradientNoise { .. } => "gradient_noise".into(),
            Self::Accumulate { .. } => "accumulate".into(),
            Self::SkipNotFinite { .. } => "skip_not_finite".into(),
            Self::Average { .. } => "average".into(),
            Self::Direction { optimizer } => format!("optimizer.{}.direction", optimizer.name()),
            Self::Update { optimizer, .. } => format!("optimizer.{optimizer}"),
        }
    }

    /// The operands that the op reads and changes.
    pub(crate) fn effects(&self) -> Effects {
        use Operand::{Grads, Params, States, Step};
        let none = Effects::default();
        match self {
            Self::Penalty { value, backward } => {
                none.read([Params]).write([*value]).update(backward.then_some(Grads))
            }
            Self::ClipValue { .. } | Self::ClipEach { .. } => none.update([Grads]),
            Self::ClipNorm { norm, .. } => none.write([*norm]).update([Grads]),
            Self::GradientNoise { .. } => none.read([Step]).update([Grads]),
            Self::Accumulate { .. } => none.read([Step]).update([Grads, States]),
            Self::SkipNotFinite { skipped, .. } => {
                none.read([Grads]).write([*skipped]).update([Step])
            }
            Self::Average { follows, .. } => {
                let read = if *follows { none.update([Params]) } else { none.read([Params]) };
                read.read([Step]).update([States])
            }
            Self::Direction { .. } => none.read([Step]).update([Grads, States]),
            Self::Update { loss, .. } => {
                none.read(*loss).read([Grads, Step]).update([Params, States])
            }
        }
    }
}
