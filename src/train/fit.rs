//! The training loop.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::Trainer;
use super::checkpoint::check_path;
use super::evaluate::Evaluator;
use super::feed::{Fed, Feed};
use super::history::{Epoch, Evaluation, History, Totals};
use super::nan::epochs_between;
use super::run::TrainingRun;
use crate::data::{Batches, Dataset};
use crate::error::{Error, Result};
use crate::ir::{LiveSteps, StepRule, Steps};
use crate::nn::{ProgramIo, Record, RecordLayout};
use crate::spec::Range;
use crate::spec::schedule::improves;
use crate::trace::{Instrument, span};

/// The condition for stopping before the last epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStopping {
    /// The number of epochs that may pass without an improvement.
    pub patience: u64,
    /// The minimum decrease of the loss that counts as an improvement.
    pub min_delta: f64,
    /// True if the parameters of the best epoch are restored at the end.
    pub restore_best: bool,
}

impl EarlyStopping {
    /// Stops after this many epochs without any improvement, and restores the parameters of the best one.
    pub const fn patience(epochs: u64) -> Self {
        Self { patience: epochs, min_delta: 0.0, restore_best: true }
    }
}

type Callback<'a> = Box<dyn FnMut(&Epoch) -> ControlFlow<()> + 'a>;

/// The settings of one call of [`Trainer::fit`]: epochs, batches, validation, early stopping, callback and checkpoints.
///
/// ```
/// use std::ops::ControlFlow;
/// use wgrad::Fit;
///
/// let fit = Fit::epochs(100).batch(32).validation_split(0.2).each(10, |epoch| {
///     println!("{epoch}");
///     ControlFlow::Continue(())
/// });
/// ```
#[must_use = "pass it to Trainer::fit"]
pub struct Fit<'a> {
    epochs: u64,
    batch: Option<usize>,
    drop_last: bool,
    validation: Option<&'a Dataset>,
    split: Option<f64>,
    early: Option<EarlyStopping>,
    callback: Option<(u64, Callback<'a>)>,
    checkpoint: Option<(u64, PathBuf)>,
    continues_on_nan: bool,
}

impl<'a> Fit<'a> {
    /// Creates settings for this many passes over the data, the whole data set as one batch.
    pub fn epochs(epochs: u64) -> Self {
        Self {
            epochs,
            batch: None,
            drop_last: false,
            validation: None,
            split: None,
            early: None,
            callback: None,
            checkpoint: None,
            continues_on_nan: false,
        }
    }

    /// Trains in batches of `rows` rows in a new random order every epoch; the last one may have fewer. If `rows` is at
    /// least the size of the data set, the whole data set is one batch.
    pub fn batch(self, rows: usize) -> Self {
        Self { batch: Some(rows), ..self }
    }

    /// Ends every epoch before a batch that has fewer rows than the others. Other rows are left out in each epoch.
    pub fn drop_last(self) -> Self {
        Self { drop_last: true, ..self }
    }

    /// Evaluates on this data at the end of every epoch.
    pub fn validate(self, data: &'a Dataset) -> Self {
        Self { validation: Some(data), ..self }
    }

    /// Holds out a fraction of the data, chosen by the trainer's seed, and evaluates on it at the end of every epoch.
    pub fn validation_split(self, fraction: f64) -> Self {
        Self { split: Some(fraction), ..self }
    }

    /// Stops when the validation loss, or without validation the training loss, no longer improves.
    pub fn early_stopping(self, early: EarlyStopping) -> Self {
        Self { early: Some(early), ..self }
    }

    /// Calls `callback` after the first epoch, every `every` epochs from then on, and after the last; `Break` stops
    /// training.
    pub fn each(self, every: u64, callback: impl FnMut(&Epoch) -> ControlFlow<()> + 'a) -> Self {
        Self { callback: Some((every.max(1), Box::new(callback))), ..self }
    }

    /// Saves a checkpoint every `every` epochs.
    pub fn checkpoint(self, path: impl Into<PathBuf>, every: u64) -> Self {
        Self { checkpoint: Some((every.max(1), path.into())), ..self }
    }

    /// Continues when the loss becomes NaN, which otherwise ends the training with [`Error::NotANumber`].
    ///
    /// That error names the first step and op that made a NaN, and leaves the trainer as it was before that step. Its
    /// cost: parameters and optimizer state are copied to main memory at the start and after every 1024 steps, to the end
    /// of an epoch; once the loss is NaN, these steps run again, about once, and one of them op
    /// by op. Nothing is done with [`TrainerBuilder::skip_not_finite`](super::TrainerBuilder::skip_not_finite), nor in
    /// steps of [`Trainer::into_step`].
    pub fn continue_on_nan(self) -> Self {
        Self { continues_on_nan: true, ..self }
    }

    /// Returns whether a loss that is NaN ends the training.
    fn stops_on_nan(&self, trainer: &Trainer) -> bool {
        !self.continues_on_nan && !trainer.settings.objective.transforms.skip_not_finite
    }

    /// Returns whether a part of the data is to be held out.
    fn splits(&self) -> bool {
        self.split.is_some()
    }

    /// The next epoch count after `done` at which the loop must pause for a validation, callback or checkpoint.
    fn next_stop(&self, done: u64, each_epoch: bool) -> u64 {
        let validation = (each_epoch || self.early.is_some()).then_some(done + 1);
        let multiple_after = |done: u64, every: u64| (done / every * every).saturating_add(every);
        let callback = self.callback.as_ref().map(|(every, _)| match done.checked_sub(1) {
            Some(last) => multiple_after(last, *every).saturating_add(1),
            None => 1,
        });
        let checkpoint = self.checkpoint.as_ref().map(|(every, _)| multiple_after(done, *every));
        [validation, callback, checkpoint]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.epochs)
            .min(self.epochs)
    }

    /// Runs the callback if it is due after this epoch or this is the last one.
    fn call_back(&mut self, epoch: &Epoch, done: u64, stopped: bool) -> ControlFlow<()> {
        match &mut self.callback {
            Some((every, callback))
                if stopped || done == self.epochs || (done - 1).is_multiple_of(*every) =>
            {
                callback(epoch)
            }
            _ => ControlFlow::Continue(()),
        }
    }

    /// The path of the checkpoint that is due now, if any.
    fn due_checkpoint(&self, done: u64) -> Option<&Path> {
        let due = self.checkpoint.as_ref().filter(|(every, _)| done.is_multiple_of(*every));
        due.map(|(_, path)| path.as_path())
    }
}

impl std::fmt::Debug for Fit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fit")
            .field("epochs", &self.epochs)
            .field("batch", &self.batch)
            .finish_non_exhaustive()
    }
}

/// The state of early stopping: the best loss so far and its parameters.
struct StoppingState {
    early: EarlyStopping,
    best: f64,
    since: u64,
    params: Option<Vec<Vec<f32>>>,
}

impl StoppingState {
    fn new(early: EarlyStopping) -> Self {
        Self { early, best: f64::INFINITY, since: 0, params: None }
    }

    /// Observes an epoch's loss; returns whether it is the best so far.
    fn improves(&mut self, loss: f64) -> bool {
        let better = improves(loss, self.best, self.early.min_delta);
        if better {
            (self.best, self.since) = (loss, 0);
        } else {
            self.since += 1;
        }
        better
    }
}

impl Trainer {
    /// Trains the network, continuing from the end of the last call or from the loaded checkpoint.
    ///
    /// # Errors
    /// [`Error::Empty`] without rows; [`Error::Shape`] and [`Error::Target`] if the data does not match the network;
    /// [`Error::Parameter`] for a batch of 0 rows, a validation fraction outside (0, 1) or a schedule that gives a
    /// value outside its range; [`Error::Checkpoint`] and [`Error::Io`] if a checkpoint cannot be saved to its path;
    /// [`Error::NotANumber`] if the loss becomes NaN, unless [`Fit::continue_on_nan`] is set; [`Error::DeviceLost`] and
    /// [`Error::Timeout`] on a GPU, after which training can be resumed from the last checkpoint.
    #[cfg(not(target_family = "wasm"))]
    pub fn fit(&mut self, data: &Dataset, fit: Fit<'_>) -> Result<History> {
        pollster::block_on(self.fit_async(data, fit))
    }

    /// As [`Trainer::fit`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::fit`].
    pub async fn fit_async(&mut self, data: &Dataset, mut fit: Fit<'_>) -> Result<History> {
        let Some(fraction) = fit.split.take().filter(|_| fit.validation.is_none()) else {
            return self.fit_whole(data, fit).await;
        };
        if !(fraction > 0.0 && fraction < 1.0) {
            let valid = "it must lie between 0 and 1";
            return Err(Error::parameter("fit", "validation_split", fraction, valid));
        }
        let (training, validation) = data.split(1.0 - fraction, self.settings.seed)?;
        self.fit_whole(&training, fit.validate(&validation)).await
    }

    /// Trains on all rows: those on the device, or, if they are too many, those of each step.
    async fn fit_whole(&mut self, mut data: &Dataset, fit: Fit<'_>) -> Result<History> {
        if fit.batch.is_some_and(|batch| batch < data.len()) && self.exceeds_device(data) {
            self.check("fit", data)?;
            let variance = self.target_variance(data);
            return self.begin_fit(Feed::Streamed(&mut data, Some(variance)), fit).await;
        }
        let data = self.standardized(data)?;
        self.begin_fit(Feed::Resident(&data), fit).await
    }

    /// Trains on rows that are read batch by batch, for data that do not fit into memory. The result has the same bits
    /// as that of [`Trainer::fit`] with all rows. Metrics that depend on the spread of the targets take that of the
    /// first batch; [`Fit::validation_split`] does not apply.
    ///
    /// [`Trainer::fit`] itself sends its batches one by one if the data set exceeds a binding of the device.
    ///
    /// # Errors
    /// As [`Trainer::fit`]; any error of the source; [`Error::Unsupported`] with a validation split.
    #[cfg(not(target_family = "wasm"))]
    pub fn fit_batches(&mut self, source: &mut dyn Batches, fit: Fit<'_>) -> Result<History> {
        pollster::block_on(self.fit_batches_async(source, fit))
    }

    /// As [`Trainer::fit_batches`], without blocking on the device.
    ///
    /// # Errors
    /// As [`Trainer::fit_batches`].
    pub async fn fit_batches_async(
        &mut self,
        source: &mut dyn Batches,
        fit: Fit<'_>,
    ) -> Result<History> {
        if fit.splits() {
            let message = "rows that are read batch by batch are not split; validate on a data set";
            return Err(Error::unsupported("fit_batches", message));
        }
        self.begin_fit(Feed::Streamed(source, None), fit).await
    }

    async fn begin_fit(&mut self, feed: Feed<'_>, fit: Fit<'_>) -> Result<History> {
        if let Some(early) = &fit.early {
            Range::FINITE.check("early_stopping", "min_delta", early.min_delta)?;
        }
        // An invalid path must fail before the first epoch, not once the epochs that it should keep are done.
        fit.checkpoint.as_ref().map_or(Ok(()), |(_, path)| check_path(path))?;
        let validation = fit.validation.map(|data| self.standardized(data)).transpose()?;
        let span = span!("fit", epochs = fit.epochs);
        self.run_epochs(feed, fit, validation.as_deref()).instrument(span).await
    }

    async fn run_epochs(
        &mut self,
        feed: Feed<'_>,
        mut fit: Fit<'_>,
        validation: Option<&Dataset>,
    ) -> Result<History> {
        let mut run = TrainingRun::begin(self, feed, fit.batch, fit.drop_last)?;
        let mut evaluator = match validation {
            Some(data) => {
                let target = self.check("validation", data)?;
                Some(Evaluator::new(self, data, target)?)
            }
            None => None,
        };
        self.dispatches = run.executor.plan().map(|plan| plan.dispatches().len());

        let mut watch = fit.early.map(StoppingState::new);
        let mut replay = None;
        let mut history = History::default();
        let (mut done, mut late) = (0, 0);
        let mut stopped = false;
        while done < fit.epochs && !stopped {
            if fit.stops_on_nan(self) {
                self.renew(&mut replay, &run.live)?;
            }
            let each_epoch = evaluator.is_some() || self.settings.plateau.is_some();
            let stop = fit.next_stop(done, each_epoch);
            let per_epoch = run.live.read().per_epoch();
            let stop =
                if replay.is_some() { stop.min(done + epochs_between(per_epoch)) } else { stop };
            let span = span!("epochs", first = self.epoch, count = stop - done);
            let steps = (stop - done).saturating_mul(per_epoch);
            let fed = run.advance(self, steps).instrument(span).await?;
            late += self.close_epochs(&fed, &run, &mut history, (stop - done, late));
            done = stop;
            self.check_probabilities(&run.io, &fed.0, &run.live.read())?;
            if let Some(step) = self.step_of_nan(&run, &fed)
                && let Some(replay) = replay.take()
            {
                return Err(self.explain_nan(&mut run, replay, step).await?);
            }
            let evaluation = match &mut evaluator {
                Some(evaluator) => Some(evaluator.run(self).instrument(span!("validation")).await?),
                None => None,
            };
            let Some(last) = history.epochs.last_mut() else { break };
            last.validation = evaluation;
            stopped = self.observe_loss(last, &mut watch, &run.live).await?;
            stopped |= fit.call_back(last, done, stopped).is_break();
            if let Some(path) = fit.due_checkpoint(done) {
                self.save_async(path).await?;
            }
        }
        history.stopped_early = done < fit.epochs;
        if let Some(best) = watch.and_then(|watch| watch.params) {
            self.weights.write_params(&best)?;
        }
        self.keep(run.executor);
        evaluator.into_iter().for_each(|evaluator| self.keep(evaluator.executor));
        Ok(history)
    }

    /// Adds epochs that have run to the history and to the trainer's counts; returns their number of skipped updates.
    fn close_epochs(
        &mut self,
        fed: &Fed,
        run: &TrainingRun<'_>,
        history: &mut History,
        (count, late): (u64, u64),
    ) -> u64 {
        let epochs = self.epochs_of(fed, (&*run.live.read(), late), &run.io.record);
        let skipped = epochs.iter().map(|epoch| epoch.skipped).sum::<u64>();
        history.epochs.extend(epochs);
        (self.step, self.epoch) = (self.step + fed.0.len() as u64, self.epoch + count);
        (self.updates, self.gathered) = run.live.read().progress(self.step, late + skipped);
        skipped
    }

    /// Passes an epoch's loss to the plateau and to early stopping; returns whether training must stop.
    async fn observe_loss(
        &mut self,
        epoch: &Epoch,
        watch: &mut Option<StoppingState>,
        live: &LiveSteps,
    ) -> Result<bool> {
        let loss = epoch.validation.as_ref().map_or(epoch.loss, Evaluation::loss);
        if let Some(plateau) = &self.settings.plateau {
            self.plateau_state.observe(plateau, loss);
            live.write().scale = self.plateau_state.scale;
        }
        let Some(watch) = watch else { return Ok(false) };
        if watch.improves(loss) && watch.early.restore_best {
            watch.params = Some(self.weights.read_params().await?);
        }
        Ok(watch.since > watch.early.patience)
    }

    /// Fails if predictions of the last steps were not probabilities.
    fn check_probabilities(&self, io: &ProgramIo, records: &[Record], steps: &Steps) -> Result<()> {
        let first = self.step - records.len() as u64;
        for (record, step) in records.iter().zip(first..) {
            let rows = steps.step(step).rows;
            if let Some(message) = io.record.outside_unit(record, rows) {
                return Err(Error::Target { op: format!("training step {step}"), message });
            }
        }
        Ok(())
    }

    /// Reduces the records of whole epochs to one [`Epoch`] each.
    fn epochs_of(
        &self,
        (records, weights): &Fed,
        (steps, mut late): (&Steps, u64),
        layout: &RecordLayout,
    ) -> Vec<Epoch> {
        let per_epoch = steps.per_epoch().max(1) as usize;
        let mut epochs = Vec::with_capacity(records.len() / per_epoch);
        let chunks = records.chunks(per_epoch).zip(weights.chunks(per_epoch));
        for (number, (records, weights)) in chunks.enumerate() {
            let first = self.step + (number * per_epoch) as u64;
            let mut totals = Totals::default();
            let skipped = records.iter().filter(|record| layout.skipped(record)).count() as u64;
            late += skipped;
            let (updates, _) = steps.progress(first + records.len() as u64, late);
            for ((figures, weight), step) in records.iter().zip(weights).zip(first..) {
                totals.add(layout, figures, steps.step(step).rows, *weight);
            }
            let figures = totals.evaluation(&self.settings.objective);
            epochs.push(Epoch {
                epoch: self.epoch + number as u64,
                loss: figures.loss(),
                data_loss: figures.data_loss,
                penalty: figures.penalty,
                accuracy: figures.accuracy(),
                metrics: figures.metrics,
                rate: steps.update(updates.saturating_sub(1)).rate,
                skipped,
                validation: None,
            });
        }
        epochs
    }
}
