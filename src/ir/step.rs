//! Values that vary from step to step, computed in `f64` on the host.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::ParamInfo;
use super::transforms::GradientTransforms;
use crate::error::{Error, Result};
use crate::numeric::Float;
use crate::spec::optimizer::{MAX_SCALARS, Noise, Scalars, Shared, TensorValues, sides};
use crate::spec::{Optimizer, ParamKind, Range, Schedule};

/// The maximum number of steps or epochs that are counted. Up to here a count is exact in `f64`, and no run gets this
/// far.
pub(crate) const MAX_COUNT: u64 = 1 << 53;

/// The values of one step. The GPU reads them from a table indexed by its own step counter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepEntry {
    /// The number of active rows of the batch: the first ones.
    pub rows: u32,
    /// The first row of the batch, in the epoch's order.
    pub start: u32,
    /// The epoch, which is the counter of the random order.
    pub epoch: u32,
    /// The number of rows of the data set.
    pub total: u32,
    /// The learning rate.
    pub rate: f64,
    /// The weight decay added to the gradient.
    pub coupled: f64,
    /// The fraction by which weight decay shrinks a parameter.
    pub shrink: f64,
    /// 1, or -1 to maximize, or 0 for a step without an update.
    pub sign: f64,
    /// True if this is the first of a group of steps whose gradients are accumulated.
    pub begins: bool,
    /// The weight of its gradients in the mean of the group: one over the number of its steps.
    pub gathered: f64,
    /// The number of the update that the step accumulates for, had none been skipped.
    pub update: u64,
    /// The fraction by which a mean of the parameters moves towards them after the update.
    pub average_weight: f64,
    /// The standard deviation of noise on the gradients.
    pub noise: f64,
    /// The optimizer's own scalars.
    pub scalars: Scalars,
    /// A scheduled value that is out of range, if any.
    pub refused: Option<Refused>,
}

/// A scheduled value that its hyper-parameter cannot take.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Refused {
    /// The name of the hyper-parameter.
    pub name: &'static str,
    /// The update that the value was for.
    pub update: u64,
    /// The parameter's kind, which gives the valid values.
    pub kind: ParamKind,
    /// The value.
    pub value: f64,
}

impl StepEntry {
    /// The size of an entry in the table, in 32-bit words.
    #[doc(hidden)]
    pub const WORDS: usize = 14 + MAX_SCALARS;

    /// Creates an entry for a program without an update: `rows` rows are active, in their own order.
    pub fn rows(rows: usize) -> Self {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        Self {
            rows,
            start: 0,
            epoch: 0,
            total: rows,
            rate: 0.0,
            coupled: 0.0,
            shrink: 0.0,
            sign: 1.0,
            begins: true,
            gathered: 1.0,
            update: 0,
            average_weight: 0.0,
            noise: 0.0,
            scalars: [0.0; MAX_SCALARS],
            refused: None,
        }
    }

    /// Fails if a scheduled value of the update is out of range.
    ///
    /// # Errors
    /// [`Error::Parameter`].
    pub(crate) fn check(&self) -> Result<()> {
        let Some(Refused { name, update, kind, value }) = self.refused else { return Ok(()) };
        let name = format!("{name} in update {update}");
        Err(Error::parameter("schedule", name, value, kind.to_string()))
    }

    /// The entry of a step before which `late` updates were skipped: this step's rows, and the values of the update
    /// that is due. An entry without an update is unchanged.
    pub(crate) fn due(rule: &(impl StepRule + ?Sized), step: u64, late: u64) -> Self {
        let own = rule.step(step);
        if own.sign == 0.0 {
            return own;
        }
        let Self { rows, start, epoch, total, sign, begins, gathered, update, .. } = own;
        let numbers = rule.update(update.saturating_sub(late));
        Self { rows, start, epoch, total, sign, begins, gathered, update, ..numbers }
    }

    /// Encodes the entry as words of the GPU's table.
    pub(crate) fn words(&self) -> impl Iterator<Item = u32> {
        let bits = |number: f64| (number as f32).to_bits();
        let head = [self.rows, self.start, self.epoch, self.total];
        let numbers = [self.rate, self.coupled, self.shrink, self.sign].map(bits);
        let group = [u32::from(self.begins), bits(self.gathered)];
        let update = [u32::from(self.sign != 0.0), self.update as u32];
        let rest = [bits(self.average_weight), bits(self.noise)];
        let words = head.into_iter().chain(numbers).chain(group).chain(update).chain(rest);
        words.chain(self.scalars.map(bits))
    }

    /// The values that all optimizers use alike, for one tensor.
    pub(crate) fn shared<F: Float>(&self, info: &ParamInfo, noise: Noise) -> Shared<F> {
        let decays = if info.decays { 1.0 } else { 0.0 };
        Shared {
            sign: F::of(self.sign),
            coupled: F::of(self.coupled * decays),
            shrink: F::of(self.shrink * decays * info.multiplier),
            tensor: TensorValues {
                multiplier: F::of(info.multiplier),
                decays: F::of(decays),
                norms: [F::zero(); 2],
                sides: sides(info.shape),
            },
            noise,
        }
    }
}

/// Provides the rows of each step and the values of each update. It is only called for steps that were recorded or run.
pub(crate) trait StepRule {
    /// The entry of a step; its update values need not be those of its update.
    fn step(&self, step: u64) -> StepEntry;

    /// An entry with the values of an update.
    fn update(&self, update: u64) -> StepEntry;
}

/// A rule that a plan or an executor keeps.
pub(crate) type BoxedRule = Box<dyn StepRule + Send + Sync>;

/// A rule by which every step is an update.
impl<F: Fn(u64) -> StepEntry> StepRule for F {
    fn step(&self, step: u64) -> StepEntry {
        StepEntry { update: step, ..self(step) }
    }

    fn update(&self, update: u64) -> StepEntry {
        self(update)
    }
}

impl StepRule for Steps {
    fn step(&self, step: u64) -> StepEntry {
        let per_epoch = self.per_epoch().max(1);
        let since = step.saturating_sub(self.first_step);
        let start = (since % per_epoch) as usize * self.batch;
        let epoch = self.first_epoch.saturating_add(since / per_epoch);
        let GroupPlace { update, number, steps } = self.place(step);
        let maximize = self.optimizer.get("maximize").unwrap_or(0.0);
        StepEntry {
            start: start as u32,
            epoch: epoch as u32,
            total: self.total as u32,
            sign: if number + 1 == steps { 1.0 - 2.0 * maximize } else { 0.0 },
            begins: number == 0,
            gathered: 1.0 / steps as f64,
            update,
            ..StepEntry::rows(self.batch.min(self.total.saturating_sub(start)))
        }
    }

    fn update(&self, update: u64) -> StepEntry {
        let GradientTransforms { average, noise, .. } = self.transforms;
        let mut values = *self.optimizer.values();
        let mut refused = None;
        for (place, value) in values.iter_mut().enumerate() {
            for (_, schedule) in self.others.iter().filter(|(scheduled, _)| *scheduled == place) {
                *value = schedule.rate(update, *value);
                refused = refused.or(self.refused(update, place, *value));
            }
        }
        let [base, decay, ..] = values;
        let maximize = self.optimizer.get("maximize").unwrap_or(0.0);
        // An optimizer without the `decoupled` parameter applies the decay in its formula.
        let (coupled, decoupled) = match self.optimizer.get("decoupled") {
            Some(decoupled) => (1.0 - decoupled, decoupled),
            None => (0.0, 0.0),
        };
        let rate_of = |update| self.scale * self.schedule.rate(update, base);
        let rate = rate_of(update);
        let kind = &self.optimizer.entry().kind;
        let taken = if kind.late { rate_of(update.saturating_sub(1)) } else { rate };
        StepEntry {
            rate,
            coupled: decay * coupled,
            shrink: rate * decay * decoupled,
            sign: 1.0 - 2.0 * maximize,
            average_weight: average.map_or(0.0, |average| average.weight(update)),
            noise: noise
                .map_or(0.0, |[eta, gamma]| (eta / (1.0 + update as f64).powf(gamma)).sqrt()),
            scalars: (kind.schedule)(&values, update as f64 + 1.0, taken),
            refused: refused.or(self.refused(update, 0, rate)),
            ..StepEntry::rows(0)
        }
    }
}

/// The position of a step in a group whose gradients are accumulated for one update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GroupPlace {
    /// The number of the update, had none been skipped.
    pub update: u64,
    /// The number of earlier steps in the group.
    pub number: u64,
    /// The number of steps in the group.
    pub steps: u64,
}

/// The step rule of training: batches per epoch, updates by schedule.
#[derive(Clone, Debug)]
pub struct Steps {
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The learning-rate schedule.
    pub schedule: Schedule,
    /// The schedules of other hyper-parameters, by their index among the optimizer's.
    pub others: Vec<(usize, Schedule)>,
    /// A further factor of the learning rate.
    pub scale: f64,
    /// The transforms of gradients and parameters around the updates.
    pub transforms: GradientTransforms,
    /// The number of updates done before the first step.
    pub first_update: u64,
    /// The number of steps before the first one that are accumulated for the pending update, if groups continue across
    /// epochs.
    pub gathered: u64,
    /// The number of rows of the data set.
    pub total: usize,
    /// The number of rows of a batch; the last of an epoch may have fewer.
    pub batch: usize,
    /// True if an epoch ends before a batch that has fewer.
    pub drop_last: bool,
    /// The number of the first step that this rule is for.
    pub first_step: u64,
    /// The number of the first epoch that this rule is for.
    pub first_epoch: u64,
}

/// A running mean of the parameters, initialized with the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Averaging {
    /// An exponential moving average: after each update `mean += (1 - decay) (p - mean)`
    /// (torch.optim.swa_utils.get_ema_multi_avg_fn).
    Ema {
        /// The fraction of the mean that is kept.
        decay: f64,
    },
    /// Stochastic weight averaging: the plain mean of the parameters after update `start` and every `every` updates
    /// from then on (torch.optim.swa_utils.AveragedModel; Izmailov et al. 2018).
    Swa {
        /// The number of updates before the first point.
        start: u64,
        /// The number of updates between points.
        every: u64,
    },
    /// Lookahead: every `every` updates `mean += alpha (p - mean)`, and the parameters become the mean
    /// (optax.lookahead; Zhang et al. 2019).
    Lookahead {
        /// The number of updates between moves of the mean.
        every: u64,
        /// The fraction by which the mean moves.
        alpha: f64,
    },
}

impl Averaging {
    /// Returns whether the parameters are set to the mean when it moves.
    pub(crate) fn follows(&self) -> bool {
        matches!(self, Self::Lookahead { .. })
    }

    /// The fraction by which the mean moves after the given update, counted from 0.
    #[doc(hidden)]
    pub fn weight(&self, update: u64) -> f64 {
        let done = update.saturating_add(1);
        match *self {
            Self::Ema { decay } => 1.0 - decay,
            Self::Swa { start, every } => match done.checked_sub(start.max(1)) {
                Some(since) if since.is_multiple_of(every.max(1)) => {
                    1.0 / (since / every.max(1) + 1) as f64
                }
                _ => 0.0,
            },
            Self::Lookahead { every, alpha } if done.is_multiple_of(every.max(1)) => alpha,
            Self::Lookahead { .. } => 0.0,
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let (name, value) = match *self {
            Self::Ema { decay } => ("decay", decay),
            Self::Lookahead { alpha, .. } => ("alpha", alpha),
            Self::Swa { .. } => return Ok(()),
        };
        Range::UNIT.check("averaging", name, value)
    }
}

impl Steps {
    /// The rule for full batches of `total` rows with the optimizer's own values, from step 0 on.
    pub fn new(optimizer: Optimizer, total: usize) -> Self {
        Self {
            optimizer,
            schedule: Schedule::constant(),
            others: Vec::new(),
            scale: 1.0,
            transforms: GradientTransforms::default(),
            first_update: 0,
            gathered: 0,
            total,
            batch: total,
            drop_last: false,
            first_step: 0,
            first_epoch: 0,
        }
    }

    /// Wraps the rule in a shared handle, so that it can be changed while training follows it. A change applies to the
    /// steps that are recorded afterwards.
    pub(crate) fn live(self) -> LiveSteps {
        LiveSteps(Arc::new(RwLock::new(self)))
    }

    /// The same rule for steps without epochs: groups continue until they are full.
    pub(crate) fn across_epochs(self) -> Self {
        Self { transforms: GradientTransforms { across_epochs: true, ..self.transforms }, ..self }
    }

    /// The number of steps of an epoch.
    pub(crate) fn per_epoch(&self) -> u64 {
        let batch = self.batch.max(1);
        match self.drop_last {
            true => (self.total / batch).max(1) as u64,
            false => self.total.div_ceil(batch) as u64,
        }
    }

    /// Returns the scheduled value if the `f32` that a device sees of it is out of range.
    fn refused(&self, update: u64, place: usize, value: f64) -> Option<Refused> {
        let param = self.optimizer.entry().params.get(place)?;
        let fits = param.kind.contains(f64::from(value as f32));
        (!fits).then_some(Refused { name: param.name, update, kind: param.kind, value })
    }

    /// The entry of a step, counted from 0 at the trainer's creation, if no update is skipped.
    pub fn entry(&self, step: u64) -> StepEntry {
        StepEntry::due(self, step, 0)
    }

    /// The number of updates done before a step, after `skipped` skipped ones, and the number of steps accumulated for
    /// the next update.
    pub(crate) fn progress(&self, step: u64, skipped: u64) -> (u64, u64) {
        let GroupPlace { update, number, .. } = self.place(step);
        (update.saturating_sub(skipped), number)
    }

    /// The position of a step in its group. The last group of an epoch is cut short, unless groups continue across
    /// epochs.
    pub(crate) fn place(&self, step: u64) -> GroupPlace {
        let (group, per_epoch) = (self.transforms.group(), self.per_epoch().max(1));
        let since = step.saturating_sub(self.first_step);
        let (epochs, length) = match self.transforms.across_epochs {
            true => (0, u64::MAX),
            false => (since / per_epoch, per_epoch),
        };
        let gathered = if self.transforms.across_epochs { self.gathered } else { 0 };
        let in_epoch = (since - epochs * per_epoch).saturating_add(gathered);
        let number = in_epoch % group;
        let before = epochs.saturating_mul(length.div_ceil(group)).saturating_add(in_epoch / group);
        GroupPlace {
            update: self.first_update.saturating_add(before),
            number,
            steps: group.min(length - (in_epoch - number)),
        }
    }
}

/// A shared [`Steps`] rule, which can be changed while training follows it.
#[derive(Clone, Debug)]
pub(crate) struct LiveSteps(Arc<RwLock<Steps>>);

impl LiveSteps {
    /// Locks the rule for reading. A panic elsewhere leaves it intact, so a poisoned lock is not an error.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Steps> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the rule for changing.
    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Steps> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StepRule for LiveSteps {
    fn step(&self, step: u64) -> StepEntry {
        self.read().step(step)
    }

    fn update(&self, update: u64) -> StepEntry {
        self.read().update(update)
    }
}
