//! Restores a trainer from tensors and fields.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::container::{self, Container, checksum_of_values};
use super::files::{self, CheckpointPaths};
use super::weights::{self, LoadedWeights, ReadWeights};
use super::{STATE_FIELD, model, plateau, wrong};
use crate::data::Standardize;
use crate::engine::gpu::Tuning;
use crate::error::{Error, Result, cut};
use crate::ir::WeightValues;
use crate::spec::Optimizer;
use crate::spec::schedule::PlateauState;
use crate::train::Trainer;

/// The meaning of rows and classes: the standardization and the names of the classes.
struct Meaning {
    class_names: Arc<[String]>,
    standardize: Option<Arc<Standardize>>,
}

/// The state that a trainer resumes from.
pub(super) struct Checkpoint {
    meaning: Option<Meaning>,
    optimizer: Optimizer,
    step: u64,
    updates: u64,
    gathered: u64,
    epoch: u64,
    seed: u64,
    plateau: PlateauState,
    /// The adapter and the tilings measured on it.
    tuning: Option<(String, Tuning)>,
    values: WeightValues,
}

/// The content of a weights file.
struct CheckpointWeights {
    params: Vec<Vec<f32>>,
    /// The checksum of the state saved with them, if the file contains it.
    state: Option<String>,
}

impl Trainer {
    pub(super) fn read_pair(&self, path: &Path) -> Result<Checkpoint> {
        let pair = CheckpointPaths::of(path)?;
        let _held = files::hold_places();
        let bytes = files::read(path)?;
        let wrong = |message| wrong(path.display(), message);
        let file = Container::read(&bytes).map_err(wrong)?;
        if file.get("format").is_some() {
            return self.read_whole(&bytes).map_err(wrong);
        }
        let params = self.params(&file, &[]).map_err(wrong)?;
        let weights =
            CheckpointWeights { params, state: file.get(STATE_FIELD).map(str::to_string) };
        let mut refusals = Vec::new();
        for place in pair.states() {
            match self.read_state(&place, &weights) {
                Ok(checkpoint) => {
                    pair.settle(&place);
                    return Ok(checkpoint.with_params(weights.params));
                }
                Err(error) => refusals.push(error),
            }
        }
        let missing = Error::io(&pair.state, ErrorKind::NotFound.into());
        Err(refusals.into_iter().min_by_key(is_missing).unwrap_or(missing))
    }

    /// Reads a state; fails unless it belongs to these weights.
    fn read_state(&self, path: &Path, weights: &CheckpointWeights) -> Result<Checkpoint> {
        let bytes = files::read(path)?;
        let checked = Container::read_checked(&bytes).and_then(|file| {
            check_belongs(&file, weights)?;
            let checkpoint = self.checkpoint(&file)?;
            self.check_names(&file, &self.state_layout(), &[]).map(|()| checkpoint)
        });
        checked.map_err(|message| wrong(path.display(), message))
    }

    /// Reads a checkpoint from a single container with parameters and state.
    pub(super) fn read_whole(&self, bytes: &[u8]) -> container::FileResult<Checkpoint> {
        let file = Container::read_checked(bytes)?;
        let checkpoint = self.checkpoint(&file)?;
        Ok(checkpoint.with_params(self.params(&file, &self.state_layout())?))
    }

    /// Reads everything except the parameters.
    fn checkpoint(&self, file: &Container<'_>) -> container::FileResult<Checkpoint> {
        let optimizer = self.saved_optimizer(file)?;
        self.check_settings(file)?;
        self.check_network(file)?;
        let plateau = plateau::of_text(file.field("plateau")?)
            .ok_or_else(|| "its field 'plateau' is damaged".to_string())?;
        let tensors =
            self.state_layout().into_iter().map(|(name, shape)| file.tensor(&name, &shape));
        let mut tensors = tensors.collect::<container::FileResult<Vec<_>>>()?.into_iter();
        let mut of_state = || tensors.by_ref().take(self.settings.network.params().len()).collect();
        let states = self.state_names().iter().map(|_| of_state()).collect();
        let values = WeightValues { params: vec![], states, carried: tensors.flatten().collect() };
        let step = file.count("step")?;
        let (updates, gathered) = match file.get("updates") {
            Some(_) => (file.count("updates")?, file.count("gathered")?),
            None => self.updates_after(step, file.count("skipped")?),
        };
        // Older versions save neither network nor class names, and standardize nothing.
        let meaning = match file.get("network") {
            Some(_) => Some(Meaning {
                class_names: model::class_names(file),
                standardize: model::standardize(file, &self.settings.network)?,
            }),
            None => None,
        };
        Ok(Checkpoint {
            meaning,
            optimizer,
            step,
            updates,
            gathered,
            epoch: file.count("epoch")?,
            seed: file.number("seed")?,
            plateau,
            tuning: tuning(file)?,
            values,
        })
    }

    /// The numbers of updates done and of steps accumulated for the next one, from a checkpoint of an earlier version,
    /// which counts the steps whose update was skipped instead.
    fn updates_after(&self, step: u64, skipped: u64) -> (u64, u64) {
        let (counted, group) =
            (step.saturating_sub(skipped), self.settings.objective.transforms.group());
        (counted / group, counted % group)
    }

    /// Reads the parameters of a file; fails if it has tensors other than these and `others`.
    fn params(
        &self,
        file: &Container<'_>,
        others: &[(String, Vec<usize>)],
    ) -> container::FileResult<Vec<Vec<f32>>> {
        let params = self.settings.network.params().iter();
        let params =
            params.map(|info| (info.name.clone(), info.shape.to_vec())).collect::<Vec<_>>();
        self.check_names(file, &params, others)?;
        params.iter().map(|(name, shape)| file.tensor(name, shape)).collect()
    }

    /// Fails for a tensor that this trainer does not have.
    fn check_names(
        &self,
        file: &Container<'_>,
        known: &[(String, Vec<usize>)],
        others: &[(String, Vec<usize>)],
    ) -> container::FileResult<()> {
        let known = known.iter().chain(others).map(|(name, _)| name.clone());
        let network = &self.settings.network;
        let known = known.chain(weights::batch_counts(network)).collect::<BTreeSet<_>>();
        let other = file.names().into_iter().find(|name| !known.contains(name));
        other.map_or(Ok(()), |name| Err(weights::superfluous(&name, network)))
    }

    pub(super) fn take(&mut self, checkpoint: Checkpoint) -> Result<()> {
        self.weights.write_values(&checkpoint.values)?;
        let Checkpoint { optimizer, step, updates, gathered, epoch, seed, plateau, tuning, .. } =
            checkpoint;
        if let Some(Meaning { class_names, standardize }) = checkpoint.meaning {
            (self.settings.class_names, self.settings.standardize) = (class_names, standardize);
        }
        (self.settings.optimizer, self.plateau_state) = (optimizer, plateau);
        (self.step, self.epoch, self.settings.seed) = (step, epoch, seed);
        (self.updates, self.gathered) = (updates, gathered);
        if let Some((adapter, tuning)) = tuning {
            self.take_tuning(&adapter, tuning);
        }
        Ok(())
    }

    /// Replaces the parameters that were read, and only those.
    pub(super) fn take_weights(&mut self, read: ReadWeights) -> Result<LoadedWeights> {
        let ReadWeights { params, report } = read;
        self.weights.write_some_params(&params)?;
        self.begin_some_mean(&params)?;
        Ok(report)
    }
}

impl Checkpoint {
    fn with_params(mut self, params: Vec<Vec<f32>>) -> Self {
        self.values.params = params;
        self
    }
}

fn is_missing(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::NotFound)
}

/// Fails unless the weights and the state were saved together.
fn check_belongs(state: &Container<'_>, weights: &CheckpointWeights) -> container::FileResult<()> {
    let of_weights = if state.format()? == 1 { "checksum" } else { "weights" };
    let same_weights = state.field(of_weights)? == checksum_of_values(&weights.params);
    let same_state = weights.state.is_none() || weights.state.as_deref() == state.get("checksum");
    if same_weights && same_state {
        return Ok(());
    }
    Err("it does not belong to the weights beside it".to_string())
}

fn tuning(file: &Container<'_>) -> container::FileResult<Option<(String, Tuning)>> {
    let (Some(adapter), Some(text)) = (file.get("adapter"), file.get("tuning")) else {
        return Ok(None);
    };
    let tuning = text.parse().map_err(|error: Error| cut(&error.to_string()).into_owned())?;
    Ok(Some((adapter.to_string(), tuning)))
}
