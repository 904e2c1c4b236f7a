//! The rows of a training run: all on the device, or sent there batch by batch.

use std::borrow::Cow;

use super::Trainer;
use super::batch_weight::{BatchWeight, BatchWeights};
use super::evaluate::rows_of;
use crate::data::{Batches, Dataset, Targets};
use crate::device::Executor;
use crate::error::{Error, Result};
use crate::ir::{InputData, LiveSteps, Slot, StepEntry, StepRule};
use crate::nn::{ProgramIo, Record, TargetKind, order};

/// The most bytes of batches that wait on their way to the device.
const MOST_AHEAD: usize = 64 << 20;

/// The most steps whose batches are sent ahead.
const MOST_STEPS: u64 = 64;

/// The rows of a training run.
pub(super) enum Feed<'a> {
    /// On the device, whose program takes a batch of them in each step.
    Resident(&'a Dataset),
    /// Read and sent to the device for each step, with the variance of all targets if it is known.
    Streamed(&'a mut dyn Batches, Option<f64>),
}

/// The records of some steps and the weights of their batches.
pub(super) type Fed = (Vec<Record>, Vec<BatchWeight>);

impl Feed<'_> {
    pub(super) fn total(&self) -> usize {
        match self {
            Self::Resident(data) => data.len(),
            Self::Streamed(source, _) => source.total(),
        }
    }

    /// The variance of all targets; `None` if that of the sample is all that is known.
    pub(super) fn target_variance(&self) -> Option<f64> {
        match self {
            Self::Resident(_) => None,
            Self::Streamed(_, variance) => *variance,
        }
    }

    /// The rows that a program of batches of this size is made for: all of them, or the first batch.
    pub(super) fn sample(&mut self, trainer: &Trainer, batch: usize) -> Result<Cow<'_, Dataset>> {
        match self {
            Self::Resident(data) => Ok(Cow::Borrowed(data)),
            Self::Streamed(source, _) => {
                let rows: Vec<usize> = (0..batch.min(source.total())).collect();
                read(*source, &rows, trainer).map(Cow::Owned)
            }
        }
    }

    /// The rows of a step, as the network sees them, if they are not on the device as a whole.
    pub(super) fn batch(
        &mut self,
        trainer: &Trainer,
        live: &LiveSteps,
        step: u64,
    ) -> Result<Option<Dataset>> {
        let Self::Streamed(source, _) = self else { return Ok(None) };
        let entry = live.read().step(step);
        read(*source, &rows(trainer, live, &entry), trainer).map(Some)
    }

    /// Runs steps; returns their records and the weights of their batches.
    pub(super) async fn run(
        &mut self,
        trainer: &mut Trainer,
        (executor, io): (&mut Executor, &ProgramIo),
        (live, kind): (&LiveSteps, TargetKind),
        steps: u64,
    ) -> Result<Fed> {
        let first = trainer.step;
        match self {
            Self::Resident(data) => {
                let records = executor.run(&mut trainer.weights, steps).await?;
                let weights = BatchWeights::of(&trainer.settings.objective, data);
                let steps = live.read();
                let order = order(trainer.settings.seed, steps.total, steps.batch);
                let entries = (first..).take(records.len()).map(|step| steps.step(step));
                Ok((records, entries.map(|entry| weights.step(&entry, order)).collect()))
            }
            Self::Streamed(source, _) => {
                let (mut records, mut weights) = (Vec::new(), Vec::new());
                let end = first.saturating_add(steps);
                let mut step = first;
                while step < end {
                    let ahead = steps_ahead(io, live).min(executor.most_steps()).min(end - step);
                    for step in step..step + ahead {
                        let entry = live.read().step(step);
                        let batch = read(*source, &rows(trainer, live, &entry), trainer)?;
                        if trainer.check("fit", &batch)? != kind {
                            let message = "a batch has targets of another kind than the first";
                            return Err(Error::shape("fit", message));
                        }
                        let objective = &trainer.settings.objective;
                        weights.push(BatchWeights::of(objective, &batch).rows(0..batch.len()));
                        let inputs = inputs(io, &batch);
                        executor.run_on(&mut trainer.weights, &inputs)?;
                    }
                    records.extend(executor.records(step).await?);
                    step += ahead;
                }
                Ok((records, weights))
            }
        }
    }
}

/// The number of steps whose batches may be on their way at once.
fn steps_ahead(io: &ProgramIo, live: &LiveSteps) -> u64 {
    let cols = io.program.shape(io.x).map_or(1, |shape| shape.cols());
    let bytes = live.read().batch.saturating_mul(cols).saturating_mul(4).max(1);
    ((MOST_AHEAD / bytes) as u64).clamp(2, MOST_STEPS)
}

/// The rows of a step's batch, in the order in which a program with all rows would take them.
fn rows(trainer: &Trainer, live: &LiveSteps, entry: &StepEntry) -> Vec<usize> {
    let steps = live.read();
    let order = order(trainer.settings.seed, steps.total, steps.batch);
    let source = |position| match order {
        Some(key) => key.permute(entry.epoch, position, entry.total) as usize,
        None => position as usize,
    };
    (entry.start..entry.start + entry.rows).map(source).collect()
}

/// Reads rows as the network sees them.
fn read(source: &mut dyn Batches, rows: &[usize], trainer: &Trainer) -> Result<Dataset> {
    let batch = source.read(rows)?;
    if batch.len() != rows.len() {
        let message = format!("{} rows were read for a batch of {}", batch.len(), rows.len());
        return Err(Error::shape("fit", message));
    }
    Ok(trainer.standardized(&batch)?.into_owned())
}

/// The contents of a program's inputs for a batch.
fn inputs<'a>(io: &ProgramIo, batch: &'a Dataset) -> Vec<(Slot, InputData<'a>)> {
    let x = (io.x, InputData::F32(rows_of(batch.inputs(), 0, batch.len())));
    let target = io.target.map(|slot| match batch.targets() {
        Targets::Values(values) => (slot, InputData::F32(rows_of(values, 0, batch.len()))),
        Targets::Classes { labels, .. } => (slot, InputData::U32(labels)),
    });
    let weight =
        io.weight.zip(batch.weights()).map(|(slot, weights)| (slot, InputData::F32(weights)));
    [Some(x), target, weight].into_iter().flatten().collect()
}

impl Trainer {
    /// Returns whether the data set is too large to lie on the device as a whole.
    pub(super) fn exceeds_device(&self, data: &Dataset) -> bool {
        let most = self.device.most_elements().unwrap_or(u64::from(u32::MAX));
        let targets = data.targets().values().map_or(data.len(), |values| values.len());
        data.inputs().len().max(targets) as u64 > most
    }
}
