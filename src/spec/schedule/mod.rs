//! Schedules of the learning rate, or of another hyper-parameter, as functions of the number of updates done, evaluated
//! on the host in `f64`.

mod plateau;
mod table;

use std::fmt;
use std::sync::Arc;

pub(crate) use plateau::improves;
pub use plateau::{Plateau, PlateauState};

use super::entries::registry;
use super::registry::{Choice, Entry, Kind, Values};
use crate::error::Result;
use crate::spec::Range;

/// The formula of a schedule: the value at a step from the base value and the number of updates already done.
#[derive(Debug)]
pub struct ScheduleKind {
    rate: fn(&Values, f64, f64) -> f64,
}

registry! { ScheduleKind, "schedule", [table::ENTRIES] }

type Closure = dyn Fn(u64, f64) -> f64 + Send + Sync;

/// A schedule of the learning rate, or of another hyper-parameter, over the number of updates done.
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
#[must_use]
pub struct Schedule {
    name: String,
    rate: Arc<Closure>,
}

impl Schedule {
    /// A user-defined schedule: `rate` computes the rate from the number of updates done and the optimizer's learning
    /// rate. A training step fails if the value is outside the parameter's range, such as a rate that is NaN or below
    /// 0.
    pub fn custom(name: &str, rate: impl Fn(u64, f64) -> f64 + Send + Sync + 'static) -> Self {
        Self { name: name.to_string(), rate: Arc::new(rate) }
    }

    /// `lr` at every step.
    pub fn constant() -> Self {
        Self::custom("constant", |_, lr| lr)
    }

    /// `lr * gamma^floor(step / step_size)`.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a value outside its range; so for the schedules below.
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

    /// `lr / sqrt(1 + decay * step)`.
    ///
    /// # Errors
    /// As [`Schedule::step`].
    pub fn inverse_sqrt(decay: f64) -> Result<Self> {
        Self::of(Choice::<ScheduleKind>::inverse_sqrt().with("decay", decay)?)
    }

    /// Half a cosine from `lr` down to `min` over `total` updates.
    ///
    /// # Errors
    /// As [`Schedule::step`].
    pub fn cosine(total: f64, min: f64) -> Result<Self> {
        Self::of(Choice::<ScheduleKind>::cosine().with("total", total)?.with("min", min)?)
    }

    /// `lr * gamma^n`, where n is the number of milestones reached (torch.optim.lr_scheduler.MultiStepLR).
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a gamma below 0.
    pub fn multistep(milestones: &[u64], gamma: f64) -> Result<Self> {
        Range::NOT_NEGATIVE.check("schedule.multistep", "gamma", gamma)?;
        let (name, milestones) =
            (format!("multistep({milestones:?}, gamma={gamma})"), milestones.to_vec());
        Ok(Self::custom(&name, move |step, lr| {
            let reached = milestones.iter().filter(|milestone| **milestone <= step).count();
            lr * gamma.powi(reached as i32)
        }))
    }

    /// Schedules one after the other, each for its number of updates and counting from its own start, then `last` for
    /// the rest (torch.optim.lr_scheduler.SequentialLR).
    pub fn sequential(parts: Vec<(u64, Self)>, last: Self) -> Self {
        let names: Vec<String> =
            parts.iter().map(|(steps, part)| format!("{part:?} for {steps}")).collect();
        Self::custom(&format!("{}, then {last:?}", names.join(", ")), move |step, lr| {
            let mut since = step;
            for (steps, part) in &parts {
                if since < *steps {
                    return part.rate(since, lr);
                }
                since -= steps;
            }
            last.rate(since, lr)
        })
    }

    /// Adds a linear warm-up to `lr` over `steps` updates, starting at `lr / steps`; this schedule then starts from
    /// step 0.
    pub fn after_warmup(self, steps: u64) -> Self {
        let rise =
            Self::custom("warmup", move |step, lr| lr * (step as f64 + 1.0) / steps.max(1) as f64);
        Self::sequential(vec![(steps, rise)], self)
    }

    /// Composes two schedules: the other's rate is the base of this one (torch.optim.lr_scheduler.ChainedScheduler).
    pub fn chained(self, other: Self) -> Self {
        Self::custom(&format!("{self:?} x {other:?}"), move |step, lr| {
            self.rate(step, other.rate(step, lr))
        })
    }

    /// The same schedule advanced once every `updates` updates, such as once per epoch.
    pub fn every(self, updates: u64) -> Self {
        let updates = updates.max(1);
        Self::custom(&format!("{self:?} every {updates}"), move |step, lr| {
            self.rate(step / updates, lr)
        })
    }

    /// The schedule of a registry entry, such as `Schedule::of("inverse_time(decay=1e-3)".parse()?)`.
    ///
    /// # Errors
    /// As [`Schedule::step`], also if a required parameter was not given.
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
