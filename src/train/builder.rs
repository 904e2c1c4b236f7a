//! The builder of a trainer.

use std::sync::Arc;

use super::{Settings, Trainer};
use crate::data::Standardize;
use crate::device::{Device, Weights};
use crate::error::{Error, Result};
use crate::ir::Averaging;
use crate::nn::{GradientTransforms, Layer, Network, Objective, Sequential};
use crate::spec::schedule::Plateau;
use crate::spec::{Loss, Metric, Optimizer, Reduction, Schedule};

/// The settings of a [`Trainer`] that has not been put on a device yet.
#[derive(Clone, Debug)]
#[must_use = "call `on` to put it on a device"]
pub struct TrainerBuilder {
    pub(super) model: Sequential,
    pub(super) optimizer: Optimizer,
    pub(super) schedule: Schedule,
    pub(super) others: Vec<(String, Schedule)>,
    pub(super) plateau: Option<Plateau>,
    pub(super) seed: u64,
    pub(super) loss: Loss,
    pub(super) reduction: Reduction,
    pub(super) standardize: Option<Standardize>,
    pub(super) metrics: Option<Vec<Metric>>,
    pub(super) class_weights: Option<Vec<f32>>,
    pub(super) linear_cross_entropy: bool,
    pub(super) double_softmax: bool,
    pub(super) transforms: GradientTransforms,
}

impl TrainerBuilder {
    /// Sets the schedule of the learning rate; constant by default.
    pub fn schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// Sets the schedule of another hyper-parameter of the optimizer, such as `momentum` or `weight_decay`, whose value
    /// is the base of the schedule. The schedule's values are used unchanged.
    pub fn schedule_of(mut self, parameter: &str, schedule: Schedule) -> Self {
        self.others.push((parameter.to_string(), schedule));
        self
    }

    /// Reduces the learning rate when the loss stops falling.
    pub fn plateau(self, plateau: Plateau) -> Self {
        Self { plateau: Some(plateau), ..self }
    }

    /// Sets the seed of initial weights, dropout masks and the order of rows; 0 by default.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Standardizes all rows that the trainer takes, in training, evaluation and prediction; predictions are undone.
    /// Checkpoints keep it. Rows that a host writes to a [`TrainingStep`](crate::embed::TrainingStep) are taken as they
    /// are.
    ///
    /// ```
    /// use wgrad::data::Standardize;
    /// use wgrad::prelude::*;
    ///
    /// let (train, validation) = data::digits().split(0.8, 0)?;
    /// let model = Sequential::new(64).dense(10);
    /// let trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam())
    ///     .standardize(Standardize::fit(&train)?)
    ///     .on(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn standardize(self, standardize: Standardize) -> Self {
        Self { standardize: Some(standardize), ..self }
    }

    /// Sets a weight per class, or per column if the loss is elementwise, for losses that take one: `weight` of
    /// torch.nn.CrossEntropyLoss, `pos_weight` of torch.nn.BCEWithLogitsLoss. If the mean divides by the weights of the
    /// targets' classes, the loss of an epoch or an evaluation divides by those of all its rows, regardless of batches.
    ///
    /// ```
    /// use wgrad::prelude::*;
    ///
    /// let data = data::spiral(20, 3, 0)?;
    /// let model = Sequential::new(2).dense(3);
    /// let mut trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::sgd())
    ///     .class_weights(&[1.0, 1.0, 5.0])
    ///     .on(&Device::cpu())?;
    /// trainer.fit(&data, Fit::epochs(3).batch(8))?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn class_weights(self, weights: &[f32]) -> Self {
        Self { class_weights: Some(weights.to_vec()), ..self }
    }

    /// Fuses the last layer, which must be dense, with the loss, which must be `cross_entropy` with class targets: its
    /// outputs, the logits, are in memory only for some rows at a time, in training and in evaluation
    /// ([`Program::linear_cross_entropy`](crate::Program::linear_cross_entropy)). Results are the same up to rounding;
    /// intended for networks with many classes. Predictions still hold all outputs in memory; [`Trainer::into_step`],
    /// whose steps expose the outputs, fails with this setting.
    ///
    /// ```
    /// use wgrad::prelude::*;
    ///
    /// let data = data::spiral(20, 3, 0)?;
    /// let model = Sequential::new(2).dense(16).activation(Activation::relu()).dense(3);
    /// let mut trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam())
    ///     .linear_cross_entropy()
    ///     .on(&Device::cpu())?;
    /// trainer.fit(&data, Fit::epochs(3).batch(16))?;
    /// assert!(trainer.evaluate(&data)?.loss() < 2.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn linear_cross_entropy(self) -> Self {
        Self { linear_cross_entropy: true, ..self }
    }

    /// Allows a model to end in an activation that its loss applies again, such as softmax before `cross_entropy`.
    ///
    /// ```
    /// use wgrad::prelude::*;
    ///
    /// let model = Sequential::new(2).dense(3).activation(Activation::softmax());
    /// let build = |loss| Trainer::new(model.clone(), loss, Optimizer::sgd());
    /// assert!(build(Loss::cross_entropy()).on(&Device::cpu()).is_err());
    /// assert!(build(Loss::categorical_cross_entropy()).on(&Device::cpu()).is_ok());
    /// assert!(build(Loss::cross_entropy()).allow_double_softmax().on(&Device::cpu()).is_ok());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn allow_double_softmax(self) -> Self {
        Self { double_softmax: true, ..self }
    }

    /// Sets the reduction of the loss's terms to a scalar; their mean by default.
    pub fn reduction(self, reduction: Reduction) -> Self {
        Self { reduction, ..self }
    }

    /// Sets the metrics recorded in addition to the loss. By default they suit it: accuracy for classes and
    /// probabilities, R² and the mean absolute error for values. R² is 1 less the mean squared error divided by the
    /// variance of the targets of the same data; it is left out if they are all equal, and in a recorded step
    /// ([`Trainer::into_step`]), whose targets are the host's. A step records at most
    /// eight values: loss, penalty, metrics, a skipped update ([`TrainerBuilder::skip_not_finite`]), and two or more
    /// about invalid data. Up to four metrics fit, and two if an embedding's indices and class targets can be invalid.
    pub fn metrics(self, metrics: &[Metric]) -> Self {
        Self { metrics: Some(metrics.to_vec()), ..self }
    }

    /// Clamps every gradient to [-limit, limit] before the update.
    pub fn clip_value(mut self, limit: f64) -> Self {
        self.transforms.clip_value = Some(limit);
        self
    }

    /// Scales the gradients before the update so that their norm over all parameters is at most `max`. A NaN norm clips
    /// nothing, so the NaN remains visible.
    pub fn clip_norm(mut self, max: f64) -> Self {
        self.transforms.clip_norm = Some(max);
        self
    }

    /// Scales each tensor's gradient before the update so that its own norm is at most `max`.
    pub fn clip_each(mut self, max: f64) -> Self {
        self.transforms.clip_each = Some(max);
        self
    }

    /// Skips an update whose gradients contain a NaN or an infinity before clipping: parameters, the optimizer's state
    /// and averages stay unchanged, and neither schedules nor bias corrections advance.
    /// [`Epoch::skipped`](super::Epoch::skipped) counts the skipped updates.
    pub fn skip_not_finite(mut self) -> Self {
        self.transforms.skip_not_finite = true;
        self
    }

    /// Accumulates the mean of the gradients of this many steps for one update; schedules count updates. Each epoch of
    /// [`Trainer::fit`] starts a new group of steps, and its last update uses the mean of the steps accumulated by
    /// then, even if they are fewer. Steps recorded with [`Trainer::into_step`] have no epochs.
    pub fn accumulate(mut self, steps: u64) -> Self {
        self.transforms.accumulate = Some(steps);
        self
    }

    /// Lets [`TrainerBuilder::accumulate`] continue across epochs, so that every update uses the same number of steps.
    pub fn accumulate_across_epochs(mut self) -> Self {
        self.transforms.across_epochs = true;
        self
    }

    /// Adds normal noise of variance `eta / (1 + t)^gamma` to the gradients of update t (Neelakantan et al. 2015).
    pub fn gradient_noise(mut self, eta: f64, gamma: f64) -> Self {
        self.transforms.noise = Some([eta, gamma]);
        self
    }

    /// Keeps an average of the parameters; see [`Trainer::with_averaged`].
    pub fn average(mut self, average: Averaging) -> Self {
        self.transforms.average = Some(average);
        self
    }

    /// Builds the network, initializes its weights and puts everything on a device.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Parameter`] and [`Error::Empty`], which name the invalid layer or setting;
    /// [`Error::Limit`] and [`Error::OutOfMemory`] if the network is too large for the device.
    pub fn on(self, device: &Device) -> Result<Trainer> {
        let network = self.model.build()?;
        self.check(&network)?;
        if let Some(standardize) = &self.standardize {
            standardize.check(network.inputs(), network.outputs())?;
        }
        let objective = self.objective();
        self.check_recorded(&network, &objective)?;
        let (optimizer, transforms, others) = (self.optimizer, self.transforms, self.scheduled()?);
        let extras = transforms.states().len();
        Weights::check(device, network.params(), optimizer.states().len() + extras)?;
        let initial = network.initial(self.seed);
        let weights = Weights::new(device, network.params(), &initial, Some(&optimizer), extras)?;
        // Invalid losses and transforms fail here, not in the first call of `fit`.
        let target = objective.natural_target(network.outputs());
        network.training(&objective, optimizer, target, (1, 1), self.seed)?;
        let settings = Settings {
            network,
            objective,
            metrics_chosen: self.metrics.is_some(),
            optimizer,
            schedule: self.schedule,
            others,
            plateau: self.plateau,
            seed: self.seed,
            class_names: Arc::default(),
            standardize: self.standardize.map(Arc::new),
        };
        let mut trainer = settings.on(device, weights);
        trainer.begin_mean(&initial)?;
        Ok(trainer)
    }

    /// Fails for a setting that no network, or not this one, can be trained with.
    fn check(&self, network: &Network) -> Result<()> {
        self.loss.validate()?;
        self.optimizer.validate()?;
        self.transforms.validate()?;
        self.plateau.as_ref().map_or(Ok(()), Plateau::validate)?;
        check_class_weights(self.class_weights.as_deref().unwrap_or_default())?;
        if !self.double_softmax {
            check_output(network, &self.loss)?;
        }
        if self.reduction == Reduction::None {
            let message = "a loss to train by is one number; use Reduction::Mean or Reduction::Sum";
            return Err(Error::unsupported("Trainer", message));
        }
        Ok(())
    }

    fn objective(&self) -> Objective {
        Objective {
            loss: self.loss,
            reduction: self.reduction,
            metrics: self.metrics.clone().unwrap_or_default(),
            transforms: self.transforms,
            weighted: false,
            class_weights: self.class_weights.clone(),
            linear_cross_entropy: self.linear_cross_entropy,
            checked: false,
            through: false,
        }
    }

    /// Fails if a step over data that has not been checked before would record too many values.
    fn check_recorded(&self, network: &Network, objective: &Objective) -> Result<()> {
        let metrics =
            self.metrics.as_ref().map_or_else(|| Metric::suiting(&self.loss, 1.0).len(), Vec::len);
        let checked = Objective { checked: true, ..objective.clone() };
        network.check_recorded(&checked, checked.natural_target(network.outputs()), metrics)
    }

    /// The schedules of hyper-parameters other than the learning rate, by the index of the hyper-parameter.
    fn scheduled(&self) -> Result<Vec<(usize, Schedule)>> {
        let optimizer = self.optimizer;
        let place = |(name, schedule): &(String, Schedule)| {
            let place = optimizer.place(name).filter(|place| *place > 0);
            place.map(|place| (place, schedule.clone())).ok_or_else(|| {
                let message = format!("{} has no parameter '{name}' to schedule", optimizer.name());
                Error::unsupported("schedule_of", message)
            })
        };
        self.others.iter().map(place).collect()
    }
}

/// Fails if the network ends in an activation that the loss applies itself.
fn check_output(network: &Network, loss: &Loss) -> Result<()> {
    let Some(Layer::Activation(output)) = network.layers().last() else { return Ok(()) };
    let Some(instead) = loss.instead_after(output) else { return Ok(()) };
    let own = if instead == Loss::bce() { "sigmoid" } else { "softmax" };
    let message = format!(
        "the model ends in {output}, and {loss} takes logits and applies {own} itself: leave {output} out, or take the loss \
         {instead}, which goes with it; if both are meant, say so with `allow_double_softmax`"
    );
    Err(Error::unsupported("Trainer", message))
}

/// Fails for a class weight that is negative or not finite.
fn check_class_weights(weights: &[f32]) -> Result<()> {
    let wrong = |weight: &f32| !weight.is_finite() || *weight < 0.0;
    let found = weights.iter().enumerate().find(|(_, weight)| wrong(weight));
    let Some((class, weight)) = found else { return Ok(()) };
    let valid = "it must be a finite number, 0 or greater";
    Err(Error::parameter("Trainer", format!("the weight of class {class}"), weight, valid))
}
