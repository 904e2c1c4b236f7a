//! Evaluation in chunks of rows small enough for any device.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use ndarray::Array2;

use super::Trainer;
use super::batch_weight::BatchWeights;
use super::history::{Evaluation, Totals};
use super::predict::chunk_rows;
use crate::data::{Dataset, Targets};
use crate::device::Executor;
use crate::error::{Error, Result};
use crate::ir::StepEntry;
use crate::nn::{Objective, ProgramIo, TargetKind};

/// An evaluation over one data set that can be run repeatedly.
pub(super) struct Evaluator<'a> {
    data: &'a Dataset,
    objective: Objective,
    io: ProgramIo,
    pub executor: Executor,
    rows: usize,
    resident: bool,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(
        trainer: &mut Trainer,
        data: &'a Dataset,
        target: TargetKind,
    ) -> Result<Self> {
        let len = data.len();
        let rows = chunk_rows(&trainer.settings.network, &trainer.device, len)?;
        let objective = trainer.objective_for(data, None);
        let io = trainer.settings.network.evaluation(&objective, target, rows)?;
        let chunks = len.div_ceil(rows) as u64;
        let rule =
            move |step: u64| StepEntry::rows(rows.min(len - (step % chunks) as usize * rows));
        let mut executor = trainer.executor(&io.program, 0, rule)?;
        executor.write_all(&io.constants)?;
        Ok(Self { data, objective, io, executor, rows, resident: false })
    }

    pub(crate) async fn run(&mut self, trainer: &mut Trainer) -> Result<Evaluation> {
        let mut totals = Totals::default();
        let len = self.data.len();
        for start in (0..len).step_by(self.rows) {
            let end = (start + self.rows).min(len);
            if !self.resident {
                upload(&mut self.executor, &self.io, self.data, start, end)?;
            }
            let records = self.executor.run(&mut trainer.weights, 1).await?;
            let rows = (end - start) as u32;
            let layout = &self.io.record;
            let found = records.iter().find_map(|record| layout.outside_unit(record, rows));
            if let Some(message) = found {
                return Err(Error::Target { op: "evaluate".into(), message });
            }
            let batch_weights = BatchWeights::of(&self.objective, self.data).rows(start..end);
            records.iter().for_each(|record| totals.add(layout, record, rows, batch_weights));
        }
        self.resident = len <= self.rows;
        Ok(totals.evaluation(&self.objective))
    }
}

/// Writes the rows `start..end` of a data set to a program's inputs.
pub(super) fn upload(
    executor: &mut Executor,
    io: &ProgramIo,
    data: &Dataset,
    start: usize,
    end: usize,
) -> Result<()> {
    executor.write(io.x, rows_of(data.inputs(), start, end))?;
    if let (Some(slot), Some(weights)) = (io.weight, data.weights()) {
        executor.write(slot, weights.get(start..end).unwrap_or_default())?;
    }
    match (io.target, data.targets()) {
        (Some(target), Targets::Values(values)) => {
            executor.write(target, rows_of(values, start, end))
        }
        (Some(target), Targets::Classes { labels, .. }) => {
            executor.write_indices(target, labels.get(start..end).unwrap_or_default())
        }
        (None, _) => Ok(()),
    }
}

/// Consecutive rows of a matrix in standard layout.
pub(super) fn rows_of(matrix: &Array2<f32>, start: usize, end: usize) -> &[f32] {
    let cols = matrix.ncols();
    matrix.as_slice().and_then(|all| all.get(start * cols..end * cols)).unwrap_or_default()
}

/// The counts of predicted against true classes. It prints as a table with the names of the classes, and is used as the
/// matrix of the counts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfusionMatrix {
    /// The counts: rows are true classes, columns predicted ones.
    pub counts: Array2<u64>,
    /// The names of the classes; empty if they have none.
    pub names: Vec<String>,
}

impl Deref for ConfusionMatrix {
    type Target = Array2<u64>;

    fn deref(&self) -> &Array2<u64> {
        &self.counts
    }
}

impl PartialEq<Array2<u64>> for ConfusionMatrix {
    fn eq(&self, counts: &Array2<u64>) -> bool {
        self.counts == counts
    }
}

impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |class: usize| self.names.get(class).cloned().unwrap_or(class.to_string());
        let names: Vec<String> = (0..self.counts.ncols()).map(number).collect();
        let cells = self.counts.iter().map(|count| count.to_string().len());
        let first = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(6);
        let width = cells.chain(names.iter().map(|name| name.chars().count())).max().unwrap_or(0);
        write!(f, "{:first$}", "actual")?;
        names.iter().try_for_each(|name| write!(f, "  {name:>width$}"))?;
        for (name, row) in names.iter().zip(self.counts.rows()) {
            write!(f, "\n{name:first$}")?;
            row.iter().try_for_each(|count| write!(f, "  {count:>width$}"))?;
        }
        Ok(())
    }
}

impl Trainer {
    /// Computes loss, penalty and metrics over a data set without changing parameters or state.
    ///
    /// # Errors
    /// [`Error::Empty`] without rows; [`Error::Shape`] and [`Error::Target`] if the data does not match the network;
    /// [`Error::DeviceLost`] and [`Error::Timeout`] on a GPU.
    #[cfg(not(target_family = "wasm"))]
    pub fn evaluate(&mut self, data: &Dataset) -> Result<Evaluation> {
        pollster::block_on(self.evaluate_async(data))
    }

    /// As [`Trainer::evaluate`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::evaluate`].
    pub async fn evaluate_async(&mut self, data: &Dataset) -> Result<Evaluation> {
        let data = &*self.standardized(data)?;
        let target = self.check("evaluate", data)?;
        let mut evaluator = Evaluator::new(self, data, target)?;
        let evaluation = evaluator.run(self).await?;
        self.keep(evaluator.executor);
        Ok(evaluation)
    }

    /// Counts predicted against true classes: rows are the classes of the targets, columns the predicted classes (the
    /// index of the largest output, the first one on ties). Rows that the loss ignores are not counted.
    ///
    /// ```
    /// use wgrad::prelude::*;
    ///
    /// let data = data::spiral(20, 3, 0)?;
    /// let model = Sequential::new(2).dense(3);
    /// let mut trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::sgd()).on(&Device::cpu())?;
    /// let matrix = trainer.confusion_matrix(&data)?;
    /// assert_eq!((matrix.dim(), matrix.sum()), ((3, 3), 60));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the targets are not classes; otherwise as [`Trainer::evaluate`].
    #[cfg(not(target_family = "wasm"))]
    pub fn confusion_matrix(&mut self, data: &Dataset) -> Result<ConfusionMatrix> {
        pollster::block_on(self.confusion_matrix_async(data))
    }

    /// As [`Trainer::confusion_matrix`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::confusion_matrix`].
    pub async fn confusion_matrix_async(&mut self, data: &Dataset) -> Result<ConfusionMatrix> {
        let names = match data.class_names() {
            [] => self.settings.class_names.to_vec(),
            names => names.to_vec(),
        };
        let data = &*self.standardized(data)?;
        if self.check("confusion_matrix", data)? != TargetKind::Class {
            let message = "the targets are numbers; it counts classes";
            return Err(Error::unsupported("confusion_matrix", message));
        }
        let (len, classes) = (data.len(), self.settings.network.outputs());
        let rows = chunk_rows(&self.settings.network, &self.device, len)?;
        let io =
            self.settings.network.confusion(rows, self.settings.objective.loss.ignore_index())?;
        let mut counts = Array2::zeros((classes, classes));
        for start in (0..len).step_by(rows) {
            let end = (start + rows).min(len);
            let rule = move |_: u64| StepEntry::rows(end - start);
            let mut executor = self.executor(&io.program, 0, rule)?;
            upload(&mut executor, &io, data, start, end)?;
            executor.run(&mut self.weights, 1).await?;
            let matrix = executor.read(io.y).await?;
            self.keep(executor);
            counts.iter_mut().zip(matrix).for_each(|(count, found)| *count += found as u64);
        }
        Ok(ConfusionMatrix { counts, names })
    }

    /// The variance of the targets as the network sees them.
    pub(super) fn target_variance(&self, data: &Dataset) -> f64 {
        let standardize = self.settings.standardize.as_deref();
        standardize.map_or_else(|| data.target_variance(), |own| own.target_variance(data))
    }

    /// The data as the network sees it.
    pub(super) fn standardized<'a>(&self, data: &'a Dataset) -> Result<Cow<'a, Dataset>> {
        match &self.settings.standardize {
            Some(standardize) => standardize.apply(data).map(Cow::Owned),
            None => Ok(Cow::Borrowed(data)),
        }
    }
}
