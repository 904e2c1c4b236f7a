//! A program of training with its memory and its rows.

use super::Trainer;
use super::evaluate::upload;
use super::feed::{Fed, Feed};
use crate::data::Dataset;
use crate::device::{Device, Executor};
use crate::error::{Error, Result};
use crate::ir::{LiveSteps, Steps};
use crate::nn::{Objective, ProgramIo, TargetKind};

/// The steps of a trainer on some rows, from the trainer's own step on.
pub(super) struct TrainingRun<'a> {
    feed: Feed<'a>,
    kind: TargetKind,
    pub io: ProgramIo,
    pub live: LiveSteps,
    pub executor: Executor,
}

impl<'a> TrainingRun<'a> {
    /// Checks the rows and prepares the program. The trainer's metrics and class names become those of the data.
    pub(super) fn begin(
        trainer: &mut Trainer,
        mut feed: Feed<'a>,
        batch: Option<usize>,
        drop_last: bool,
    ) -> Result<Self> {
        let total = feed.total();
        let variance = feed.target_variance();
        let sample = feed.sample(trainer, batch.unwrap_or(total).min(total))?;
        let kind = trainer.check("fit", &sample)?;
        let objective = trainer.objective_for(&sample, variance);
        let (io, batch) = trainer.io("fit", &objective, &sample, batch.unwrap_or(total))?;
        trainer.settings.objective.metrics = objective.metrics;
        trainer.settle_class_names(&sample);
        drop(sample);
        let live = Steps { batch, drop_last, ..trainer.steps(total) }.live();
        let executor = trainer.executor(&io.program, trainer.step, live.clone())?;
        let executor = filled(executor, &feed, &io)?;
        Ok(Self { feed, kind, io, live, executor })
    }

    /// Runs steps; returns their records and the weights of their batches.
    pub(super) async fn advance(&mut self, trainer: &mut Trainer, steps: u64) -> Result<Fed> {
        let Self { feed, kind, io, live, executor } = self;
        feed.run(trainer, (executor, io), (live, *kind), steps).await
    }

    /// Continues from the trainer's own step, on another form of its device.
    pub(super) fn restart(&mut self, trainer: &Trainer, device: &Device) -> Result<()> {
        let (program, rule) = (self.io.program.clone(), self.live.clone());
        let executor = Executor::new(program, &trainer.weights, device, trainer.step, rule)?;
        self.executor = filled(executor, &self.feed, &self.io)?;
        Ok(())
    }

    /// Writes the rows of the trainer's step, if they are not on the device yet.
    pub(super) fn write_rows(&mut self, trainer: &Trainer) -> Result<()> {
        match self.feed.batch(trainer, &self.live, trainer.step)? {
            Some(batch) => upload(&mut self.executor, &self.io, &batch, 0, batch.len()),
            None => Ok(()),
        }
    }
}

/// Writes the constants, and the rows that lie on the device.
fn filled(mut executor: Executor, feed: &Feed<'_>, io: &ProgramIo) -> Result<Executor> {
    executor.write_all(&io.constants)?;
    if let Feed::Resident(data) = feed {
        upload(&mut executor, io, data, 0, data.len())?;
    }
    Ok(executor)
}

impl Trainer {
    /// The program of training on this data in batches, and the batch size, limited to the size of the data.
    pub(super) fn io(
        &self,
        op: &str,
        objective: &Objective,
        data: &Dataset,
        batch: usize,
    ) -> Result<(ProgramIo, usize)> {
        let target = self.check(op, data)?;
        let batch = batch.min(data.len());
        if batch == 0 {
            return Err(Error::parameter(op, "batch", 0, "it must be at least 1"));
        }
        let (rows, seed) = ((data.len(), batch), self.settings.seed);
        let optimizer = self.settings.optimizer;
        let io = self.settings.network.training(objective, optimizer, target, rows, seed)?;
        Ok((io, batch))
    }
}
