//! Learning-rate schedules, evaluated on the host in `f64`.

use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

use super::registry::{Alias, Choice, Entry, Kind, Param, Range, Values, registry};
use crate::error::Result;

/// What a schedule is: the rate at a step, from the base rate and the number of updates already done.
#[derive(Debug)]
pub struct ScheduleKind {
    rate: fn(&Values, f64, f64) -> f64,
}

registry! { ScheduleKind, "schedule";
    constant {
        aliases: [],
        params: [],
        formula: "lr",
        source: "torch.optim.lr_scheduler.ConstantLR with factor 1",
        kind: ScheduleKind { rate: |_, lr, _| lr },
    }
    step {
        aliases: [],
        params: [Param::required("step_size", 100.0, Range::POSITIVE), Param::new("gamma", 0.1, Range::NOT_NEGATIVE)],
        formula: "lr * gamma^floor(step / step_size)",
        source: "torch.optim.lr_scheduler.StepLR",
        kind: ScheduleKind { rate: |[size, gamma, ..], lr, step| lr * gamma.powf((step / size).floor()) },
    }
    exponential {
        aliases: [],
        params: [Param::required("gamma", 0.99, Range::NOT_NEGATIVE)],
        formula: "lr * gamma^step",
        source: "torch.optim.lr_scheduler.ExponentialLR",
        kind: ScheduleKind { rate: |[gamma, ..], lr, step| lr * gamma.powf(step) },
    }
    inverse_time {
        aliases: [],
        params: [Param::required("decay", 1e-3, Range::NOT_NEGATIVE)],
        formula: "lr / (1 + decay * step)",
        source: "Keras InverseTimeDecay with decay_steps 1",
        kind: ScheduleKind { rate: |[decay, ..], lr, step| lr / (1.0 + decay * step) },
    }
    cosine {
        aliases: [Alias::of("cosine_annealing")],
        params: [Param::required("total", 1000.0, Range::POSITIVE), Param::new("min", 0.0, Range::NOT_NEGATIVE)],
        formula: "min + (lr - min) (1 + cos(pi step / total)) / 2",
        source: "torch.optim.lr_scheduler.CosineAnnealingLR; Loshchilov and Hutter 2017",
        kind: ScheduleKind {
            rate: |[total, min, ..], lr, step| min + (lr - min) * (1.0 + (PI * step / total).cos()) / 2.0,
        },
    }
}

type Closure = dyn Fn(u64, f64) -> f64 + Send + Sync;

/// How the learning rate changes with the number of updates done.
///
/// ```
/// use wgrad::Schedule;
///
/// let schedule = Schedule::inverse_time(1e-3)?;
/// assert_eq!(schedule.rate(1000, 0.1), 0.05);
/// let warm_up = Schedule::custom("warm-up", |step, lr| lr * (step as f64 / 100.0).min(1.0));
/// assert_eq!(warm_up.rate(50, 1.0), 0.5);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone)]
pub struct Schedule {
    name: String,
    rate: Arc<Closure>,
}

impl Schedule {
    /// A schedule of your own: the rate from the number of updates done and the optimizer's learning rate.
    pub fn custom(name: &str, rate: impl Fn(u64, f64) -> f64 + Send + Sync + 'static) -> Self {
        Self { name: name.to_string(), rate: Arc::new(rate) }
    }

    /// `lr` throughout.
    pub fn constant() -> Self {
        Self::custom("constant", |_, lr| lr)
    }

    /// `lr * gamma^floor(step / step_size)`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter), here and below, for a value outside its range.
    pub fn step(step_size: f64, gamma: f64) -> Result<Self> {
        Self::of(Choice::<ScheduleKind>::step().with("step_size", step_size)?.with("gamma", gamma)?)
    }

    /// `lr * gamma^step`.
    ///
    /// # Errors
    /// As [`Schedule::step`].
    pub fn exponential(gamma: f64) -> Result<Self> {
        Self::of(Choice::<ScheduleKind>::exponential().with("gamma", gamma)?)
    }

    /// `lr / (1 + decay * step)`.
    ///
    /// # Errors
    /// As [`Schedule::step`].
    pub fn inverse_time(decay: f64) -> Result<Self> {
        Self::of(Choice::<ScheduleKind>::inverse_time().with("decay", decay)?)
    }

    /// From `lr` down to `min` over `total` updates along half a cosine.
    ///
    /// # Errors
    /// As [`Schedule::step`].
    pub fn cosine(total: f64, min: f64) -> Result<Self> {
        Self::of(Choice::<ScheduleKind>::cosine().with("total", total)?.with("min", min)?)
    }

    /// The schedule of a registry entry, such as `Schedule::of("inverse_time(decay=1e-3)".parse()?)`.
    ///
    /// # Errors
    /// As [`Schedule::step`], also when a required parameter was not given.
    pub fn of(choice: Choice<ScheduleKind>) -> Result<Self> {
        choice.validate()?;
        Ok(Self::custom(&choice.to_string(), move |step, lr| {
            (choice.entry().kind.rate)(choice.values(), lr, step as f64)
        }))
    }

    /// The rate after `step` updates, from the optimizer's learning rate.
    pub fn rate(&self, step: u64, lr: f64) -> f64 {
        (self.rate)(step, lr)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl std::str::FromStr for Schedule {
    type Err = crate::Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::of(text.parse()?)
    }
}
