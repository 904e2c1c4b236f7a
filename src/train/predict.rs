//! Predictions in chunks of rows small enough for any device.

use ndarray::{Array2, ArrayView2, s};

use super::Trainer;
use crate::data::{IntoRows, Standardize};
use crate::device::{Device, Executor, Weights};
use crate::error::{Error, Result};
use crate::ir::StepEntry;
use crate::nn::{Network, ProgramIo};

/// The maximum number of rows per chunk.
const MOST_ROWS: usize = 4096;

/// The number of rows per chunk: such that no tensor of a pass over them exceeds the device's bindings.
pub(super) fn chunk_rows(network: &Network, device: &Device, len: usize) -> Result<usize> {
    let widest = network.inference(1)?.program.widest().max(1) as u64;
    let most = device.most_elements().map_or(u64::MAX, |most| most / widest);
    Ok(len.clamp(1, MOST_ROWS).min(usize::try_from(most).unwrap_or(MOST_ROWS)).max(1))
}

/// A forward pass over up to a fixed number of rows that can be run repeatedly.
pub(super) struct Predictor {
    io: ProgramIo,
    pub executor: Executor,
    pub rows: usize,
}

/// The rule of passes over up to `rows` rows.
fn all_rows(rows: usize) -> impl Fn(u64) -> StepEntry + Clone {
    move |_: u64| StepEntry::rows(rows)
}

impl Predictor {
    pub(super) fn new(
        network: &Network,
        weights: &Weights,
        device: &Device,
        rows: usize,
    ) -> Result<Self> {
        let io = network.inference(rows)?;
        let executor = Executor::new(io.program.clone(), weights, device, 0, all_rows(rows))?;
        Ok(Self { io, executor, rows })
    }

    /// As [`Predictor::new`], with the executor of an earlier call if there is one.
    fn of(trainer: &mut Trainer, rows: usize) -> Result<Self> {
        let io = trainer.settings.network.inference(rows)?;
        let executor = trainer.executor(&io.program, 0, all_rows(rows))?;
        Ok(Self { io, executor, rows })
    }

    /// The outputs of all rows, which may be more than fit into one pass.
    pub(super) async fn run(
        &mut self,
        weights: &mut Weights,
        inputs: ArrayView2<'_, f32>,
        outputs: usize,
    ) -> Result<Array2<f32>> {
        let len = inputs.nrows();
        let mut values = Vec::with_capacity(len * outputs);
        for start in (0..len).step_by(self.rows) {
            let end = (start + self.rows).min(len);
            let chunk: Vec<f32> = inputs.slice(s![start..end, ..]).iter().copied().collect();
            self.executor.write(self.io.x, &chunk)?;
            self.executor.run(weights, 1).await?;
            let chunk = self.executor.read(self.io.y).await?;
            values.extend(chunk.into_iter().take((end - start) * outputs));
        }
        Array2::from_shape_vec((len, outputs), values)
            .map_err(|error| Error::Internal(error.to_string()))
    }
}

/// Checks rows against a network and standardizes them.
pub(super) fn prepare<'a>(
    network: &Network,
    standardize: Option<&Standardize>,
    rows: impl IntoRows<'a>,
) -> Result<ndarray::CowArray<'a, f32, ndarray::Ix2>> {
    let rows = rows.into_rows();
    let (given, wanted) = (rows.ncols(), network.inputs());
    if given != wanted {
        let message = format!("rows of {given} features, the network takes {wanted}");
        return Err(Error::shape("predict", message));
    }
    let rows = match standardize {
        Some(standardize) => standardize.apply_inputs(rows)?.into(),
        None => rows,
    };
    network.check_indices("predict", rows.view())?;
    Ok(rows)
}

impl Trainer {
    /// Computes the network's outputs, one row per row of inputs. With [`TrainerBuilder::standardize`], the rows are
    /// standardized first, and outputs have the unit of the targets.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of columns is not the network's number of inputs; [`Error::DeviceLost`] and
    /// [`Error::Timeout`] on a GPU.
    ///
    /// [`TrainerBuilder::standardize`]: super::TrainerBuilder::standardize
    #[cfg(not(target_family = "wasm"))]
    pub fn predict<'a>(&mut self, inputs: impl IntoRows<'a>) -> Result<Array2<f32>> {
        pollster::block_on(self.predict_async(inputs))
    }

    /// As [`Trainer::predict`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::predict`].
    pub async fn predict_async<'a>(&mut self, inputs: impl IntoRows<'a>) -> Result<Array2<f32>> {
        let standardize = self.settings.standardize.clone();
        let (network, standardize) = (&self.settings.network, standardize.as_deref());
        let inputs = prepare(network, standardize, inputs)?;
        let outputs = network.outputs();
        let rows = chunk_rows(network, &self.device, inputs.nrows())?;
        let mut predictor = Predictor::of(self, rows)?;
        let y = predictor.run(&mut self.weights, inputs.view(), outputs).await?;
        self.keep(predictor.executor);
        match standardize {
            Some(standardize) => standardize.undo_targets(y),
            None => Ok(y),
        }
    }
}
