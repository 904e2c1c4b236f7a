//! Evaluation and prediction in chunks of rows small enough for any device.

use ndarray::{Array2, ArrayView2, s};

use super::Trainer;
use super::batch_weight::BatchWeights;
use super::history::{Evaluation, Totals};
use crate::data::{Dataset, Targets};
use crate::device::Executor;
use crate::error::{Error, Result};
use crate::ir::StepEntry;
use crate::nn::{ProgramIo, TargetKind};

/// The maximum number of rows per chunk.
const MOST_ROWS: usize = 4096;

/// An evaluation over one data set that can be run repeatedly.
pub(super) struct Evaluator<'a> {
    data: &'a Dataset,
    io: ProgramIo,
    executor: Executor,
    rows: usize,
    resident: bool,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(trainer: &Trainer, data: &'a Dataset, target: TargetKind) -> Result<Self> {
        let (len, rows) = (data.len(), data.len().min(MOST_ROWS));
        let objective = trainer.objective_for(data);
        let io = trainer.settings.network.evaluation(&objective, target, rows)?;
        let chunks = len.div_ceil(rows) as u64;
        let rule =
            move |step: u64| StepEntry::rows(rows.min(len - (step % chunks) as usize * rows));
        let mut executor =
            Executor::new(io.program.clone(), &trainer.weights, &trainer.device, 0, rule)?;
        executor.write_all(&io.constants)?;
        Ok(Self { data, io, executor, rows, resident: false })
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
            let batch_weights =
                BatchWeights::of(&trainer.settings.objective, self.data).rows(start..end);
            records.iter().for_each(|record| totals.add(layout, record, rows, batch_weights));
        }
        self.resident = len <= self.rows;
        Ok(totals.evaluation(&trainer.settings.objective))
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
fn rows_of(matrix: &Array2<f32>, start: usize, end: usize) -> &[f32] {
    let cols = matrix.ncols();
    matrix.as_slice().and_then(|all| all.get(start * cols..end * cols)).unwrap_or_default()
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
        let target = self.check("evaluate", data)?;
        self.settle_metrics(data);
        Evaluator::new(self, data, target)?.run(self).await
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
    pub fn confusion_matrix(&mut self, data: &Dataset) -> Result<Array2<u64>> {
        pollster::block_on(self.confusion_matrix_async(data))
    }

    /// As [`Trainer::confusion_matrix`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::confusion_matrix`].
    pub async fn confusion_matrix_async(&mut self, data: &Dataset) -> Result<Array2<u64>> {
        if self.check("confusion_matrix", data)? != TargetKind::Class {
            let message = "the targets are numbers; it counts classes";
            return Err(Error::unsupported("confusion_matrix", message));
        }
        let (len, classes) = (data.len(), self.settings.network.outputs());
        let rows = len.min(MOST_ROWS);
        let io =
            self.settings.network.confusion(rows, self.settings.objective.loss.ignore_index())?;
        let mut counts = Array2::zeros((classes, classes));
        for start in (0..len).step_by(rows) {
            let end = (start + rows).min(len);
            let rule = move |_: u64| StepEntry::rows(end - start);
            let mut executor =
                Executor::new(io.program.clone(), &self.weights, &self.device, 0, rule)?;
            upload(&mut executor, &io, data, start, end)?;
            executor.run(&mut self.weights, 1).await?;
            let matrix = executor.read(io.y).await?;
            counts.iter_mut().zip(matrix).for_each(|(count, found)| *count += found as u64);
        }
        Ok(counts)
    }

    /// Computes the network's outputs, one row per row of inputs.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of columns is not the network's number of inputs; [`Error::DeviceLost`] and
    /// [`Error::Timeout`] on a GPU.
    #[cfg(not(target_family = "wasm"))]
    pub fn predict(&mut self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        pollster::block_on(self.predict_async(inputs))
    }

    /// As [`Trainer::predict`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::predict`].
    pub async fn predict_async(&mut self, inputs: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        let (len, wanted) = (inputs.nrows(), self.settings.network.inputs());
        if inputs.ncols() != wanted {
            let message =
                format!("rows of {} features, the network takes {wanted}", inputs.ncols());
            return Err(Error::shape("predict", message));
        }
        self.check_indices("predict", inputs)?;
        let outputs = self.settings.network.outputs();
        let mut values = Vec::with_capacity(len * outputs);
        let rows = len.clamp(1, MOST_ROWS);
        let io = self.settings.network.inference(rows)?;
        let rule = move |_: u64| StepEntry::rows(rows);
        let mut executor = Executor::new(io.program.clone(), &self.weights, &self.device, 0, rule)?;
        for start in (0..len).step_by(rows) {
            let end = (start + rows).min(len);
            let chunk: Vec<f32> = inputs.slice(s![start..end, ..]).iter().copied().collect();
            executor.write(io.x, &chunk)?;
            executor.run(&mut self.weights, 1).await?;
            values.extend(executor.read(io.y).await?.into_iter().take((end - start) * outputs));
        }
        Array2::from_shape_vec((len, outputs), values)
            .map_err(|error| Error::Internal(error.to_string()))
    }
}
