//! A trained network without loss and optimizer.

use std::path::Path;
use std::sync::Arc;

use futures::lock::Mutex;
use ndarray::Array2;

use super::checkpoint::{SavedModel, WeightsFile, read_model, read_model_bytes};
use super::predict::{Predictor, chunk_rows, prepare};
use super::{Settings, Trainer};
use crate::data::{IntoRows, Standardize};
use crate::device::{Device, Weights};
use crate::error::{Error, Result};
use crate::nn::{Layer, Network, Sequential};
use crate::spec::{Activation, Loss};

/// A trained network without loss and optimizer: what predicts in another program. It may be shared between threads.
///
/// ```
/// use wgrad::prelude::*;
///
/// let data = data::spiral(20, 3, 0)?.with_class_names(["red", "green", "blue"])?;
/// let network = Sequential::new(2).dense(16).activation(Activation::relu()).dense(3);
/// let mut trainer = Trainer::new(network, Loss::cross_entropy(), Optimizer::adam()).on(&Device::cpu())?;
/// trainer.fit(&data, Fit::epochs(5))?;
/// let bytes = trainer.to_bytes()?; // or trainer.save("spiral.safetensors")?
///
/// let model = Model::from_bytes(&bytes, &Device::cpu())?; // or Model::load("spiral.safetensors", ...)?
/// let row = [0.5, -0.25];
/// assert_eq!(model.predict_one(&row)?, trainer.predict(&[row][..])?.row(0).to_vec());
/// let probabilities = model.probabilities(&[row][..])?;
/// println!("{} {probabilities}", model.classes(&[row][..])?[0]);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Debug)]
pub struct Model {
    network: Network,
    loss: Option<Loss>,
    class_names: Arc<[String]>,
    standardize: Option<Arc<Standardize>>,
    device: Device,
    /// One pass runs at a time.
    passes: Mutex<Passes>,
}

/// The parameters, and the pass over as many rows as the last call had.
struct Passes {
    weights: Weights,
    last: Option<Predictor>,
}

impl std::fmt::Debug for Passes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passes").finish_non_exhaustive()
    }
}

/// Writes the probabilities that belong to a row of outputs.
type ToProbabilities = fn(&[f64], &mut [f64]);

impl Model {
    /// Loads the weights file of a checkpoint that [`Trainer::save`] wrote, which holds the network, the class names
    /// and the standardization, too; the state file beside it is not needed.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file is damaged or does not hold its network: that of an earlier version, of
    /// PyTorch, or with a layer of your own ([`Model::with_weights`] takes the network); [`Error::Io`];
    /// [`Error::Limit`] and [`Error::OutOfMemory`] if the network is too large for the device.
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        Self::new(read_model(path.as_ref())?, device)
    }

    /// As [`Model::load`], from the bytes of [`Trainer::to_bytes`] or of a weights file.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Self> {
        Self::new(read_model_bytes(bytes)?, device)
    }

    /// Puts a network with the weights of a file on a device; see [`Trainer::load_weights`]. Parameters that a partial
    /// file leaves out have their initial values of seed 0.
    ///
    /// # Errors
    /// As [`Trainer::load_weights`] and [`Sequential::build`].
    pub fn with_weights(
        network: &Sequential,
        file: impl Into<WeightsFile>,
        device: &Device,
    ) -> Result<Self> {
        let network = network.build()?;
        let read = file.into().read(&network)?.params.into_iter();
        let params = read.zip(network.initial(0)).map(|(read, initial)| read.unwrap_or(initial));
        let params = params.collect();
        let (loss, class_names, standardize) = (None, Arc::default(), None);
        Self::new(SavedModel { network, loss, class_names, standardize, params }, device)
    }

    fn new(saved: SavedModel, device: &Device) -> Result<Self> {
        let SavedModel { network, loss, class_names, standardize, params } = saved;
        Weights::check(device, network.params(), 0)?;
        let weights = Weights::new(device, network.params(), &params, None, 0)?;
        let (device, passes) = (device.clone(), Mutex::new(Passes { weights, last: None }));
        Ok(Self { network, loss, class_names, standardize, device, passes })
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The names of the classes, in the order of the outputs, if the training data had names.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Computes the network's outputs, one row per row of inputs, which are standardized first if the training data
    /// were; outputs have the unit of the targets.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of columns is not the network's number of inputs; [`Error::DeviceLost`] and
    /// [`Error::Timeout`] on a GPU.
    #[cfg(not(target_family = "wasm"))]
    pub fn predict<'a>(&self, rows: impl IntoRows<'a>) -> Result<Array2<f32>> {
        pollster::block_on(self.predict_async(rows))
    }

    /// As [`Model::predict`], without blocking.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub async fn predict_async<'a>(&self, rows: impl IntoRows<'a>) -> Result<Array2<f32>> {
        let y = self.outputs(rows).await?;
        match &self.standardize {
            Some(standardize) => standardize.undo_targets(y),
            None => Ok(y),
        }
    }

    /// The network's outputs before the scaling of targets is undone.
    async fn outputs<'a>(&self, rows: impl IntoRows<'a>) -> Result<Array2<f32>> {
        let rows = prepare(&self.network, self.standardize.as_deref(), rows)?;
        let wanted = chunk_rows(&self.network, &self.device, rows.nrows())?;
        let mut passes = self.passes.lock().await;
        let Passes { weights, last } = &mut *passes;
        let predictor = match last.take().filter(|last| last.rows == wanted) {
            Some(predictor) => predictor,
            None => Predictor::new(&self.network, weights, &self.device, wanted)?,
        };
        last.insert(predictor).run(weights, rows.view(), self.network.outputs()).await
    }

    /// As [`Model::predict`], for one row.
    ///
    /// # Errors
    /// As [`Model::predict`].
    #[cfg(not(target_family = "wasm"))]
    pub fn predict_one(&self, row: &[f32]) -> Result<Vec<f32>> {
        pollster::block_on(self.predict_one_async(row))
    }

    /// As [`Model::predict_one`], without blocking.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub async fn predict_one_async(&self, row: &[f32]) -> Result<Vec<f32>> {
        let row = ndarray::ArrayView1::from(row).insert_axis(ndarray::Axis(0));
        Ok(self.predict_async(row).await?.into_iter().collect())
    }

    /// Computes the probability of each class: the outputs, with the softmax or sigmoid that the loss applied in
    /// training.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if neither the last layer nor the loss tells how outputs become probabilities; otherwise
    /// as [`Model::predict`].
    #[cfg(not(target_family = "wasm"))]
    pub fn probabilities<'a>(&self, rows: impl IntoRows<'a>) -> Result<Array2<f32>> {
        pollster::block_on(self.probabilities_async(rows))
    }

    /// As [`Model::probabilities`], without blocking.
    ///
    /// # Errors
    /// As [`Model::probabilities`].
    pub async fn probabilities_async<'a>(&self, rows: impl IntoRows<'a>) -> Result<Array2<f32>> {
        let function = self.to_probabilities()?;
        let logits = self.outputs(rows).await?;
        let (x, mut y) = (logits.mapv(f64::from), Array2::zeros(logits.dim()));
        for (x, mut y) in x.rows().into_iter().zip(y.rows_mut()) {
            if let (Some(x), Some(y)) = (x.as_slice(), y.as_slice_mut()) {
                function(x, y);
            }
        }
        Ok(y.mapv(|probability: f64| probability as f32))
    }

    /// The function that makes a row of outputs probabilities.
    fn to_probabilities(&self) -> Result<ToProbabilities> {
        let last = self.network.layers().last();
        let takes = |f: Activation| self.loss.is_some_and(|loss| loss.instead_after(&f).is_some());
        match last {
            Some(Layer::Activation(f)) if f.gives_probabilities() => {
                Ok(|x, y| y.copy_from_slice(x))
            }
            Some(Layer::Activation(f)) if f.name() == "log_softmax" => Ok(exponentials),
            Some(Layer::AdaptiveLogSoftmax(_)) => Ok(exponentials),
            _ if takes(Activation::softmax()) => {
                Ok(|x, y| Activation::softmax().forward(x.len(), x, y))
            }
            _ if takes(Activation::sigmoid()) => {
                Ok(|x, y| Activation::sigmoid().forward(x.len(), x, y))
            }
            _ => {
                let message = "neither the last layer nor the loss makes outputs probabilities";
                Err(Error::unsupported("probabilities", message))
            }
        }
    }

    /// The name of the class with the largest output of each row, the first one on ties; its number if the classes have
    /// no names.
    ///
    /// # Errors
    /// As [`Model::predict`].
    #[cfg(not(target_family = "wasm"))]
    pub fn classes<'a>(&self, rows: impl IntoRows<'a>) -> Result<Vec<String>> {
        pollster::block_on(self.classes_async(rows))
    }

    /// As [`Model::classes`], without blocking.
    ///
    /// # Errors
    /// As [`Model::predict`].
    pub async fn classes_async<'a>(&self, rows: impl IntoRows<'a>) -> Result<Vec<String>> {
        let outputs = self.predict_async(rows).await?;
        let name = |class: usize| self.class_names.get(class).cloned();
        let class = |row: ndarray::ArrayView1<'_, f32>| {
            let better =
                |best: (usize, f32), next: (usize, f32)| if next.1 > best.1 { next } else { best };
            row.iter().copied().enumerate().reduce(better).map_or(0, |(class, _)| class)
        };
        let classes = outputs.rows().into_iter().map(class);
        Ok(classes.map(|class| name(class).unwrap_or_else(|| class.to_string())).collect())
    }
}

fn exponentials(x: &[f64], y: &mut [f64]) {
    y.iter_mut().zip(x).for_each(|(y, x)| *y = x.exp());
}

impl Trainer {
    /// The network with its current parameters, without loss and optimizer.
    ///
    /// # Errors
    /// As [`Trainer::parameters`]; [`Error::OutOfMemory`].
    #[cfg(not(target_family = "wasm"))]
    pub fn model(&self) -> Result<Model> {
        pollster::block_on(self.model_async())
    }

    /// As [`Trainer::model`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::model`].
    pub async fn model_async(&self) -> Result<Model> {
        let params = self.weights.read_params().await?;
        let Settings { network, objective, class_names, standardize, .. } = self.settings.clone();
        let loss = Some(objective.loss);
        Model::new(SavedModel { network, loss, class_names, standardize, params }, &self.device)
    }
}
