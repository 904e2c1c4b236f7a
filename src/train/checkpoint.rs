//! Checkpoints: the weights as PyTorch takes them, and beside them what it takes to go on.
//!
//! `spiral.safetensors` holds the parameters alone, under the names and layouts of `torch.nn.Sequential`;
//! `spiral.state.safetensors` holds the optimizer's state, the step, the epoch and the seed, and a checksum of the
//! parameters it belongs to.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use super::Trainer;
use crate::error::{Error, Result};
use crate::gpu::Tuning;
use crate::program::{MAX_COUNT, WeightValues};
use crate::spec::schedule::PlateauState;

type Metadata = HashMap<String, String>;

impl Trainer {
    /// Saves the parameters to `path` and everything else beside it, so that [`Trainer::load`] goes on bit for bit.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::DeviceLost`] and [`Error::Timeout`] on a GPU.
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
        let WeightValues { params, states: kept, carried } = self.weights.read_values().await?;
        let mut states = Vec::new();
        for (number, (state, tensors)) in self.state_names().iter().zip(kept).enumerate() {
            for (info, values) in self.network.params().iter().zip(tensors) {
                let extents = self.optimizer.layout(number).extents(info.shape);
                states.push((format!("{state}/{}", info.name), extents, values));
            }
        }
        let mut numbers = carried.into_iter();
        for (name, first) in self.optimizer.initial_carried() {
            let values = numbers.by_ref().take(first.len()).collect();
            states.push((name.to_string(), vec![first.len()], values));
        }
        let mut metadata = Metadata::from([
            ("format".to_string(), "wgrad 1".to_string()),
            ("optimizer".to_string(), self.optimizer.to_string()),
            ("step".to_string(), self.step.to_string()),
            ("updates".to_string(), self.updates.to_string()),
            ("gathered".to_string(), self.gathered.to_string()),
            ("epoch".to_string(), self.epoch.to_string()),
            ("seed".to_string(), self.seed.to_string()),
            ("plateau".to_string(), plateau_text(&self.plateau_state)),
            ("checksum".to_string(), checksum(&params)),
        ]);
        metadata.extend(self.tuning_fields());
        let infos = self.network.params().iter();
        let params = infos
            .zip(params)
            .map(|(info, values)| (info.name.clone(), info.shape.to_vec(), values))
            .collect();
        // Two files cannot be replaced at once. The weights go first; should the program end here, `load` finds their
        // state under its partial name.
        let state = state_path(path);
        write(&state, states, Some(metadata))?;
        write(path, params, None)?;
        rename(path)?;
        rename(&state)
    }

    /// Goes on from a checkpoint of the same network and optimizer.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if a file is damaged or belongs to something else, [`Error::Io`]; the trainer is then
    /// unchanged.
    pub fn load(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let params = self.read_weights(path)?;
        let checksum = checksum(&params);
        let place = state_path(path);
        let state = match self.read_state(&place, &checksum) {
            Ok(state) => state,
            Err(error) => {
                let state = self.read_state(&partial_path(&place), &checksum).map_err(|_| error)?;
                rename(&place)?;
                state
            }
        };
        self.weights.write_values(&WeightValues { params, ..state.values })?;
        (self.step, self.epoch, self.seed) = (state.step, state.epoch, state.seed);
        (self.updates, self.gathered) = (state.updates, state.gathered);
        self.plateau_state = state.plateau;
        if let Some((adapter, tuning)) = state.tuning {
            self.take_tuning(&adapter, tuning);
        }
        Ok(())
    }

    /// How many updates a checkpoint of earlier versions stands for, which counts the steps whose update was skipped, and
    /// how many steps it has gathered for the next.
    fn updates_after(&self, step: u64, skipped: u64) -> (u64, u64) {
        let (counted, group) = (step.saturating_sub(skipped), self.goal.around.group());
        (counted / group, counted % group)
    }

    fn read_state(&self, path: &Path, checksum: &str) -> Result<State> {
        let bytes = read(path)?;
        let wrong = |message: String| Error::Checkpoint(format!("{}: {message}", path.display()));
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| wrong(error.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let field = |name: &str| {
            metadata.get(name).cloned().ok_or_else(|| wrong(format!("it has no field '{name}'")))
        };
        let number = |name: &str| {
            let text = field(name)?;
            text.parse::<u64>()
                .map_err(|_| wrong(format!("its field '{name}' is '{text}', not a number")))
        };
        let count = |name: &str| match number(name)? {
            count if count <= MAX_COUNT => Ok(count),
            count => Err(wrong(format!("its field '{name}' is {count}, above {MAX_COUNT}"))),
        };
        let optimizer = field("optimizer")?;
        if optimizer.split('(').next() != Some(self.optimizer.name()) {
            return Err(wrong(format!(
                "it was saved from {optimizer}, this trainer has {}",
                self.optimizer
            )));
        }
        if field("checksum")? != checksum {
            return Err(wrong("it does not belong to the weights beside it".to_string()));
        }
        let (step, epoch, seed) = (count("step")?, count("epoch")?, number("seed")?);
        let (updates, gathered) = match metadata.contains_key("updates") {
            true => (count("updates")?, count("gathered")?),
            false => self.updates_after(step, count("skipped")?),
        };
        let plateau = plateau_of(&field("plateau")?)
            .ok_or_else(|| wrong("its field 'plateau' is damaged".to_string()))?;
        let tuning = match (metadata.get("adapter"), metadata.get("tuning")) {
            (Some(adapter), Some(text)) => {
                let tuning = text.parse().map_err(|error: Error| wrong(error.to_string()))?;
                Some((adapter.clone(), tuning))
            }
            _ => None,
        };
        let file = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
        let names = self.state_names();
        let tensors = names.iter().enumerate().map(|(number, state)| {
            let of_state = self.network.params().iter().map(|info| {
                let extents = self.optimizer.layout(number).extents(info.shape);
                tensor(&file, &format!("{state}/{}", info.name), &extents).map_err(&wrong)
            });
            of_state.collect::<Result<Vec<_>>>()
        });
        let carried = self.optimizer.initial_carried().into_iter();
        let carried =
            carried.map(|(name, first)| tensor(&file, name, &[first.len()]).map_err(&wrong));
        let carried = carried.collect::<Result<Vec<_>>>()?.concat();
        let values =
            WeightValues { states: tensors.collect::<Result<_>>()?, carried, params: vec![] };
        Ok(State { step, updates, gathered, epoch, seed, plateau, tuning, values })
    }

    /// Takes only the parameters from a file, such as one that PyTorch saved with
    /// `safetensors.torch.save_file(model.state_dict(), path)`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if a tensor is missing, superfluous or of another shape or type, [`Error::Io`]; the
    /// trainer is then unchanged.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let params = self.read_weights(path.as_ref())?;
        self.weights.write_params(&params)?;
        self.begin_mean(&params)
    }

    fn read_weights(&self, path: &Path) -> Result<Vec<Vec<f32>>> {
        let bytes = read(path)?;
        let wrong = |message: String| Error::Checkpoint(format!("{}: {message}", path.display()));
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| wrong(error.to_string()))?;
        let known = |name: &str| self.network.params().iter().any(|info| info.name == name);
        if let Some(name) = tensors.names().into_iter().find(|name| !known(name)) {
            return Err(wrong(format!("it has a tensor '{name}', which this network has not")));
        }
        let params = self.network.params().iter();
        params
            .map(|info| tensor(&tensors, &info.name, &info.shape.to_vec()).map_err(&wrong))
            .collect()
    }
}

/// What a checkpoint holds beside the parameters.
struct State {
    step: u64,
    updates: u64,
    gathered: u64,
    epoch: u64,
    seed: u64,
    plateau: PlateauState,
    /// The tilings that were measured, and on which adapter.
    tuning: Option<(String, Tuning)>,
    /// The optimizer's; the parameters lie in a file of their own.
    values: WeightValues,
}

/// Where the state of a checkpoint lies.
fn state_path(path: &Path) -> PathBuf {
    path.with_extension("state.safetensors")
}

/// Where a file is written before it takes its place.
fn partial_path(path: &Path) -> PathBuf {
    path.with_extension("partial")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Error::io(path, error))
}

/// Writes a file under its partial name, whole and on the disk.
fn write(
    path: &Path,
    tensors: Vec<(String, Vec<usize>, Vec<f32>)>,
    metadata: Option<Metadata>,
) -> Result<()> {
    let wrong = |error: safetensors::SafeTensorError| {
        Error::Checkpoint(format!("{}: {error}", path.display()))
    };
    let views = tensors.iter().map(|(name, shape, values)| {
        Ok((
            name.as_str(),
            TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values))?,
        ))
    });
    let views = views.collect::<std::result::Result<Vec<_>, _>>().map_err(wrong)?;
    let bytes = safetensors::serialize(views, metadata).map_err(wrong)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        std::fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
    }
    let partial = partial_path(path);
    let written = File::create(&partial).and_then(|mut file| {
        file.write_all(&bytes)?;
        file.sync_all()
    });
    written.map_err(|error| Error::io(&partial, error))
}

/// Puts a file from its partial name in its place.
fn rename(path: &Path) -> Result<()> {
    std::fs::rename(partial_path(path), path).map_err(|error| Error::io(path, error))
}

fn tensor(
    tensors: &SafeTensors<'_>,
    name: &str,
    shape: &[usize],
) -> std::result::Result<Vec<f32>, String> {
    let view = tensors
        .tensor(name)
        .map_err(|_| format!("it has no tensor '{name}' of shape {shape:?}"))?;
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        return Err(format!(
            "'{name}' is {:?} {:?}, expected F32 {shape:?}",
            view.dtype(),
            view.shape()
        ));
    }
    Ok(bytemuck::pod_collect_to_vec(view.data()))
}

/// A plateau's state as text; every number is read back as it was.
fn plateau_text(state: &PlateauState) -> String {
    let PlateauState { scale, best, waited, cooling } = state;
    format!("{scale} {best} {waited} {cooling}")
}

fn plateau_of(text: &str) -> Option<PlateauState> {
    let mut parts = text.split(' ');
    let state = PlateauState {
        scale: parts.next()?.parse().ok()?,
        best: parts.next()?.parse().ok()?,
        waited: parts.next()?.parse().ok()?,
        cooling: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(state)
}

/// FNV-1a over the parameters' bits.
fn checksum(tensors: &[Vec<f32>]) -> String {
    let bytes = tensors.iter().flatten().flat_map(|value| value.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}
