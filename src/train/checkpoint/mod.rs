//! Checkpoints: the weights as PyTorch takes them, and beside them what it takes to go on.
//!
//! A checkpoint is a pair of safetensors files. `spiral.safetensors` holds the parameters alone, under the names and
//! layouts of `torch.nn.Sequential`, with the `num_batches_tracked` of batch norms that a state_dict has.
//! `spiral.state.safetensors` (`NAME.trainer-state` beside weights of another ending) holds the optimizer's state, one
//! tensor `STATE/PARAMETER` for each of its values, and in its metadata the step, the epoch, the seed, the settings, the
//! checksum of the parameters it belongs to and one of everything in it. The metadata of the weights hold the latter,
//! too, so that a pair is always that of one moment.
//!
//! As bytes a checkpoint is one such container: the state with the parameters in it.

mod container;
mod files;
mod plateau;
mod read;
mod settings;
mod write;

use std::path::Path;

use files::Pair;

use super::Trainer;
use crate::error::{Error, Result};

/// The field of the weights' file that holds the checksum of the state's.
const STATE_FIELD: &str = "wgrad_state";

impl Trainer {
    /// Saves the parameters to `path` and everything else beside it, so that [`Trainer::load`] goes on bit for bit: next to
    /// `run.safetensors` in `run.state.safetensors`, next to `run` or any other name in `run.trainer-state`.
    ///
    /// What was there is replaced only once both files are written; symbolic links are followed. Trainers of one process
    /// may save to the same path at the same time. Where two processes do, or one ends between the two files, [`Trainer::load`]
    /// notices and takes the state that belongs to the weights, if it is there.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Checkpoint`] if `path` is a folder or a device or has a name as states have;
    /// [`Error::DeviceLost`] and [`Error::Timeout`] on a GPU. No file is left behind then.
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
        let pair = Pair::to_write(path)?;
        let values = self.weights.read_values().await?;
        let [weights, state] =
            self.pair_of(values).map_err(|message| wrong(path.display(), message))?;
        pair.write(&weights, &state)
    }

    /// The checkpoint as bytes, for hosts without files: [`Trainer::load_bytes`] goes on from them bit for bit, and
    /// [`Trainer::load`] from a file of them.
    ///
    /// They are one safetensors container: the parameters under the names and layouts of `torch.nn.Sequential`, the
    /// optimizer's state as `STATE/PARAMETER`, and in the metadata `format` (`wgrad 2`), the optimizer with its numbers, the
    /// step, the epoch, the seed, the loss and the other settings, and the checksum of everything.
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

    /// Goes on from a checkpoint of the same network and optimizer. The optimizer's numbers, the step, the epoch, the seed
    /// and the state of the plateau are those of the checkpoint from then on; the schedule stays this trainer's.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if a file is damaged, belongs to something else or was saved with another loss, accumulation,
    /// clipping, noise or average, [`Error::Io`]; the trainer is then unchanged.
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

    /// Takes only the parameters from a file, such as one that PyTorch saved with
    /// `safetensors.torch.save_file(model.state_dict(), path)`. The `num_batches_tracked` of batch norms is passed over.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if a tensor is missing, superfluous or of another shape or type, [`Error::Io`]; the
    /// trainer is then unchanged.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.take_weights(&files::read(path)?, path.display())
    }

    /// As [`Trainer::load_weights`], from the bytes of such a file.
    ///
    /// # Errors
    /// As [`Trainer::load_weights`].
    pub fn load_weights_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.take_weights(bytes, BYTES)
    }
}

/// Fails if no checkpoint can be saved under this path.
pub(super) fn check_path(path: &Path) -> Result<()> {
    Pair::to_write(path).map(|_| ())
}

/// What messages call a checkpoint that is no file.
const BYTES: &str = "the bytes";

fn wrong(origin: impl std::fmt::Display, message: String) -> Error {
    Error::Checkpoint(format!("{origin}: {message}"))
}
