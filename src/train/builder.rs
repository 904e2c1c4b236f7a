//! What a trainer is made of.

use super::Trainer;
use crate::device::{Device, Weights};
use crate::error::{Error, Result};
use crate::nn::{GradientTransforms, Layer, Network, Objective, RecordLayout, Sequential};
use crate::program::{Averaging, Op};
use crate::spec::schedule::{Plateau, PlateauState};
use crate::spec::{Loss, Metric, Optimizer, Reduction, Schedule};

/// What a [`Trainer`] is made of, before it is put on a device.
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
    pub(super) metrics: Option<Vec<Metric>>,
    pub(super) class_weights: Option<Vec<f32>>,
    pub(super) linear_cross_entropy: bool,
    pub(super) double_softmax: bool,
    pub(super) transforms: GradientTransforms,
}

impl TrainerBuilder {
    /// How the learning rate changes; constant unless given.
    pub fn schedule(self, schedule: Schedule) -> Self {
        Self { schedule, ..self }
    }

    /// How another hyper-parameter of the optimizer changes, such as `momentum` or `weight_decay`; its value is the base
    /// of the schedule. The values are used as the schedule gives them.
    pub fn schedule_of(mut self, parameter: &str, schedule: Schedule) -> Self {
        self.others.push((parameter.to_string(), schedule));
        self
    }

    /// Reduces the learning rate when the loss stops falling.
    pub fn plateau(self, plateau: Plateau) -> Self {
        Self { plateau: Some(plateau), ..self }
    }

    /// The seed of initial weights, dropout masks and the order of rows; 0 unless given.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// A weight per class, or per column where the loss is elementwise, for losses that take one: `weight` of
    /// torch.nn.CrossEntropyLoss, `pos_weight` of torch.nn.BCEWithLogitsLoss. Where the mean divides by the weights of
    /// the targets' classes, the loss of an epoch or an evaluation divides by those of all its rows, whatever the batches.
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

    /// The last layer, which must be dense, goes together with the loss, which must be `cross_entropy` with class
    /// targets: its outputs, the logits, are in memory for some rows at a time, in training and in evaluations
    /// ([`Program::linear_cross_entropy`](crate::Program::linear_cross_entropy)). The same numbers but for rounding, for
    /// networks with many classes. Predictions are outputs, and have them in memory; a step recorded with
    /// [`Trainer::into_step`] offers its outputs, so it takes a trainer without this.
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

    /// Lets a model end in an activation that its loss applies once more, such as softmax before `cross_entropy`.
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

    /// How the terms of the loss become one number; their mean unless given.
    pub fn reduction(self, reduction: Reduction) -> Self {
        Self { reduction, ..self }
    }

    /// The metrics recorded beside the loss, at most four (three with [`TrainerBuilder::skip_not_finite`]); one that suits the loss unless given.
    pub fn metrics(self, metrics: &[Metric]) -> Self {
        Self { metrics: Some(metrics.to_vec()), ..self }
    }

    /// Clamps every gradient to [-limit, limit] before the update.
    pub fn clip_value(mut self, limit: f64) -> Self {
        self.transforms.clip_value = Some(limit);
        self
    }

    /// Scales the gradients before the update so that their norm over all parameters is at most `max`. A norm that is NaN
    /// clips nothing: the NaN stays where it is.
    pub fn clip_norm(mut self, max: f64) -> Self {
        self.transforms.clip_norm = Some(max);
        self
    }

    /// Scales each tensor's gradient before the update so that its own norm is at most `max`.
    pub fn clip_each(mut self, max: f64) -> Self {
        self.transforms.clip_each = Some(max);
        self
    }

    /// Skips an update whose gradients hold a NaN or an infinity, looked for before they are clipped: parameters, the
    /// optimizer's state and averages stay, and neither schedules nor bias corrections move on.
    /// [`Epoch::skipped`](super::Epoch::skipped) counts them.
    pub fn skip_not_finite(mut self) -> Self {
        self.transforms.skip_not_finite = true;
        self
    }

    /// Gathers the mean of the gradients of this many steps for one update; schedules count updates. An epoch of
    /// [`Trainer::fit`] begins to gather anew, and at its end there is an update by the mean of what it has gathered,
    /// however few steps that is of. Steps recorded with [`Trainer::into_step`] know no epochs.
    pub fn accumulate(mut self, steps: u64) -> Self {
        self.transforms.accumulate = Some(steps);
        self
    }

    /// Lets [`TrainerBuilder::accumulate`] go on from one epoch to the next: every update is by as many steps.
    pub fn accumulate_across_epochs(mut self) -> Self {
        self.transforms.across_epochs = true;
        self
    }

    /// Adds normal noise of variance `eta / (1 + t)^gamma` to the gradients of update t (Neelakantan et al. 2015).
    pub fn gradient_noise(mut self, eta: f64, gamma: f64) -> Self {
        self.transforms.noise = Some([eta, gamma]);
        self
    }

    /// Keeps a mean of the parameters; see [`Trainer::with_averaged`].
    pub fn average(mut self, average: Averaging) -> Self {
        self.transforms.average = Some(average);
        self
    }

    /// Builds the network, draws its initial weights and puts everything on a device.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::Parameter`] and [`Error::Empty`] name the layer or setting that is wrong;
    /// [`Error::Limit`] and [`Error::OutOfMemory`] if the network is too large for the device.
    pub fn on(self, device: &Device) -> Result<Trainer> {
        let network = self.model.build()?;
        self.check(&network)?;
        let (optimizer, transforms, others) = (self.optimizer, self.transforms, self.scheduled()?);
        let extras = transforms.states().len();
        Weights::check(device, network.params(), optimizer.states().len() + extras)?;
        let initial = network.initial(self.seed);
        let weights = Weights::new(device, network.params(), &initial, &optimizer, extras)?;
        let objective = Objective {
            loss: self.loss,
            reduction: self.reduction,
            metrics: self.metrics.clone().unwrap_or_default(),
            transforms,
            weighted: false,
            class_weights: self.class_weights,
            linear_cross_entropy: self.linear_cross_entropy,
            checked: false,
            through: false,
        };
        let mut trainer = Trainer {
            network,
            objective,
            metrics_chosen: self.metrics.is_some(),
            optimizer,
            schedule: self.schedule,
            others,
            plateau: self.plateau,
            plateau_state: PlateauState::default(),
            seed: self.seed,
            device: device.clone(),
            weights,
            step: 0,
            updates: 0,
            gathered: 0,
            epoch: 0,
            dispatches: None,
        };
        trainer.begin_mean(&initial)?;
        // Whatever is wrong with loss and clipping shows now, not in the first fit.
        trainer.network.training(
            &trainer.objective,
            optimizer,
            trainer.natural_target(),
            (1, 1),
            self.seed,
        )?;
        Ok(trainer)
    }

    /// Fails for a setting that no network can be trained with, or not this one.
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
        let (skips, metrics) =
            (self.transforms.skip_not_finite, self.metrics.as_ref().map_or(1, Vec::len));
        let may_be_improbable = network.may_be_improbable(&self.loss);
        let recorded = RecordLayout::most(metrics, skips, may_be_improbable);
        if recorded > Op::MAX_RECORDED {
            let (needed, limit) = (recorded as u64, Op::MAX_RECORDED as u64);
            let what = "recording loss, penalty, faults, skipped updates and metrics".to_string();
            return Err(Error::Limit { what, needed, limit, unit: "figures" });
        }
        Ok(())
    }

    /// The schedules of hyper-parameters other than the learning rate, by their place.
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

/// Fails if the network ends in a function that the loss applies itself.
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

/// Fails for a class weight that is no finite number or negative.
fn check_class_weights(weights: &[f32]) -> Result<()> {
    let wrong = |weight: &f32| !weight.is_finite() || *weight < 0.0;
    let Some(class) = weights.iter().position(wrong) else { return Ok(()) };
    Err(Error::Parameter {
        op: "Trainer".to_string(),
        name: format!("the weight of class {class}"),
        value: weights.get(class).copied().map_or(f64::NAN, f64::from),
        valid: "it must be a finite number, 0 or greater".to_string(),
    })
}
