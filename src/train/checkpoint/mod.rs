//! Checkpoints: the weights in PyTorch's format and the state needed to resume training.
//!
//! A checkpoint is a pair of safetensors files. `spiral.safetensors` holds the parameters alone, under the names and
//! layouts of `torch.nn.Sequential`, with the `num_batches_tracked` of batch norms that a state_dict has.
//! `spiral.state.safetensors` (`NAME.trainer-state` for weights `NAME` with another extension) holds the optimizer's
//! state, one tensor `STATE/PARAMETER` for each of its values, and in its metadata the step, the epoch, the seed, the
//! settings, the checksum of the parameters it belongs to and one of its whole content. The metadata of the weights
//! hold the latter, too, so that the files of two different saves are never mixed, and what a model needs: the text of
//! the network, the loss, the names of the classes and the standardization, with a checksum over them and the parameters.
//!
//! As bytes, a checkpoint is a single such container: the state together with the parameters.

mod container;
mod files;
mod model;
mod plateau;
mod read;
mod settings;
mod weights;
mod write;

use std::path::Path;

use files::CheckpointPaths;
pub(super) use model::{SavedModel, read_model, read_model_bytes};
pub use weights::{LoadedWeights, WeightsFile};

use container::Container;
use weights::Rules;

use super::Trainer;
use crate::error::{Error, Result};

/// The field of the weights' file that holds the checksum of the state's.
const STATE_FIELD: &str = "wgrad_state";

/// The field of the weights' file that holds the checksum of parameters, network, loss, class names and standardization.
const MODEL_FIELD: &str = "wgrad_model";

impl Trainer {
    /// Saves the parameters to `path` and the rest of the state next to it, so that [`Trainer::load`] resumes training
    /// with identical bits. The state of `run.safetensors` is saved to `run.state.safetensors`, that of `run`, or any
    /// other name, to `run.trainer-state`.
    ///
    /// Existing files are replaced only after both new files are written; symbolic links are followed. Trainers of one
    /// process may save to the same path concurrently. If two processes do, or one ends between the two files,
    /// [`Trainer::load`] detects it and uses the state that belongs to the weights, if it exists.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Checkpoint`] if `path` is a folder or a device or ends as the file names of states do;
    /// [`Error::DeviceLost`] and [`Error::Timeout`] on a GPU. No file is left behind on an error.
    #[cfg(not(target_family = "wasm"))]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        pollster::block_on(self.save_async(path))
    }

    /// As [`Trainer::save`], without blocking on the device.
    ///
    /// # Errors
    /// As [`Trainer::save`].
    pub async fn save_async(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let pair = CheckpointPaths::to_write(path)?;
        let values = self.weights.read_values().await?;
        let [weights, state] =
            self.pair_of(values).map_err(|message| wrong(path.display(), message))?;
        pair.write(&weights, &state)
    }

    /// Returns the checkpoint as bytes, for hosts without files. [`Trainer::load_bytes`], or [`Trainer::load`] from a
    /// file of these bytes, resumes training with identical bits.
    ///
    /// The bytes are one safetensors container: the parameters under the names and layouts of `torch.nn.Sequential`,
    /// the optimizer's state as `STATE/PARAMETER`, and in the metadata `format` (`wgrad 2`), the optimizer with its
    /// hyper-parameters, the step, the epoch, the seed, the loss and the other settings, and the checksum of
    /// everything.
    ///
    /// ```
    /// use wgrad::prelude::*;
    ///
    /// let data = data::spiral(20, 3, 0)?;
    /// let model = Sequential::new(2).dense(16).activation(Activation::relu()).dense(3);
    /// let builder = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam());
    /// let mut trainer = builder.clone().on(&Device::cpu())?;
    /// trainer.fit(&data, Fit::epochs(5))?;
    /// let bytes = trainer.to_bytes()?;
    ///
    /// let mut resumed = builder.seed(1).on(&Device::cpu())?;
    /// resumed.load_bytes(&bytes)?;
    /// assert_eq!(resumed.fit(&data, Fit::epochs(5))?, trainer.fit(&data, Fit::epochs(5))?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::DeviceLost`] and [`Error::Timeout`] on a GPU.
    #[cfg(not(target_family = "wasm"))]
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        pollster::block_on(self.to_bytes_async())
    }

    /// As [`Trainer::to_bytes`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::to_bytes`].
    pub async fn to_bytes_async(&self) -> Result<Vec<u8>> {
        let values = self.weights.read_values().await?;
        self.whole_of(values).map_err(|message| wrong(BYTES, message))
    }

    /// Loads a checkpoint of the same network and optimizer. Besides parameters and optimizer state this restores the
    /// optimizer's hyper-parameters, the step, the epoch, the seed, the state of the plateau, the names of the classes
    /// and the standardization; the schedule stays this trainer's.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if a file is damaged, belongs to another network (of other activations, too) or optimizer,
    /// or was saved with another loss, accumulation, clipping, noise or average; [`Error::Io`]. The trainer is then unchanged.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let checkpoint = self.read_pair(path.as_ref())?;
        self.take(checkpoint)
    }

    /// As [`Trainer::load`], from the bytes of [`Trainer::to_bytes`].
    ///
    /// # Errors
    /// As [`Trainer::load`].
    pub fn load_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let checkpoint = self.read_whole(bytes).map_err(|message| wrong(BYTES, message))?;
        self.take(checkpoint)
    }

    /// Loads only the parameters from a file, such as one that PyTorch saved with
    /// `safetensors.torch.save_file(model.state_dict(), path)`; a [`WeightsFile`] renames tensors, or leaves some. The
    /// types F16, BF16 and F64 are converted, which the result tells. The `num_batches_tracked` of batch norms is
    /// ignored.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if a tensor is missing, superfluous or of another shape or type; [`Error::Io`]. The
    /// trainer is then unchanged.
    pub fn load_weights(&mut self, file: impl Into<WeightsFile>) -> Result<LoadedWeights> {
        let read = file.into().read(&self.settings.network)?;
        self.take_weights(read)
    }

    /// As [`Trainer::load_weights`], from the bytes of such a file.
    ///
    /// # Errors
    /// As [`Trainer::load_weights`].
    pub fn load_weights_bytes(&mut self, bytes: &[u8]) -> Result<LoadedWeights> {
        let network = &self.settings.network;
        let read = Container::read(bytes).and_then(|file| Rules::default().read(&file, network));
        self.take_weights(read.map_err(|message| wrong(BYTES, message))?)
    }
}

/// Fails if no checkpoint can be saved under this path.
pub(super) fn check_path(path: &Path) -> Result<()> {
    CheckpointPaths::to_write(path).map(|_| ())
}

/// The name of a checkpoint in memory in error messages.
const BYTES: &str = "the bytes";

fn wrong(origin: impl std::fmt::Display, message: String) -> Error {
    Error::Checkpoint(format!("{origin}: {message}"))
}
