//! Weights files: those of this library, of PyTorch and of others that write safetensors.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::container::{self, Container};
use super::{files, wrong};
use crate::error::{Result, cut};
use crate::nn::Network;

/// The most names that an error lists.
const MOST_NAMES: usize = 12;

/// A safetensors file of weights, and how its names become those of a network.
///
/// ```no_run
/// use wgrad::train::WeightsFile;
/// # fn load(mut trainer: wgrad::Trainer) -> wgrad::Result<()> {
/// trainer.load_weights("model.safetensors")?;
/// let file = WeightsFile::new("features.safetensors").rename("fc1", "0").rename("fc2", "2");
/// println!("{}", trainer.load_weights(file.partial())?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct WeightsFile {
    path: PathBuf,
    rules: Rules,
}

/// The renaming of tensors, and whether some may be left over.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// Prefixes of names and their replacements, in order.
    renamed: Vec<(String, String)>,
    partial: bool,
}

impl WeightsFile {
    /// Names a file whose tensors have the names of the network's parameters.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), rules: Rules::default() }
    }

    /// Renames the tensor `from`, or all whose names begin with `from.`, to `to` with the same ending; an empty `to`
    /// removes the prefix. Of several rules the first that fits applies.
    pub fn rename(mut self, from: &str, to: &str) -> Self {
        self.rules.renamed.push((from.to_string(), to.to_string()));
        self
    }

    /// Loads the tensors that file and network have in common; the others are listed in [`LoadedWeights`].
    pub fn partial(mut self) -> Self {
        self.rules.partial = true;
        self
    }

    /// Reads the parameters of a network.
    pub(in crate::train) fn read(&self, network: &Network) -> Result<ReadWeights> {
        let bytes = files::read(&self.path)?;
        let read = Container::read(&bytes).and_then(|file| self.rules.read(&file, network));
        read.map_err(|message| wrong(self.path.display(), message))
    }
}

/// Parameters that were read from a file.
pub(in crate::train) struct ReadWeights {
    /// The values of each parameter; `None` for one that stays as it is.
    pub params: Vec<Option<Vec<f32>>>,
    pub report: LoadedWeights,
}

impl<P: AsRef<Path>> From<P> for WeightsFile {
    fn from(path: P) -> Self {
        Self::new(path.as_ref())
    }
}

/// The parameters that were loaded from a weights file, and those that were not; it prints as a sentence.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LoadedWeights {
    /// The names of the parameters that were loaded, in the order of the layers.
    pub loaded: Vec<String>,
    /// Those of them that were converted to `f32`, with the type that they had: `("0.weight", "F16")`.
    pub converted: Vec<(String, String)>,
    /// The names of the tensors of the file that were left there.
    pub left: Vec<String>,
    /// The names of the parameters that the file does not have, which stay as they were.
    pub missing: Vec<String>,
}

impl fmt::Display for LoadedWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} parameters loaded", self.loaded.len())?;
        if let Some((_, kind)) = self.converted.first() {
            write!(f, ", {} of them converted from {kind}", self.converted.len())?;
        }
        if !self.left.is_empty() {
            write!(f, "; left in the file: {}", self.left.join(", "))?;
        }
        if !self.missing.is_empty() {
            write!(f, "; not in the file: {}", self.missing.join(", "))?;
        }
        Ok(())
    }
}

impl Rules {
    /// The name of the network's parameter that a tensor of the file is for.
    fn renamed(&self, name: &str) -> String {
        let fits = |(from, to): &(String, String)| match name.strip_prefix(from.as_str())? {
            "" => Some(to.clone()),
            rest if to.is_empty() => rest.strip_prefix('.').map(str::to_string),
            rest if rest.starts_with('.') => Some(format!("{to}{rest}")),
            _ => None,
        };
        self.renamed.iter().find_map(fits).unwrap_or_else(|| name.to_string())
    }

    /// Reads the parameters of a network from a file.
    pub(super) fn read(
        &self,
        file: &Container<'_>,
        network: &Network,
    ) -> container::FileResult<ReadWeights> {
        let mut given = self.given(file)?;
        batch_counts(network).for_each(|name| drop(given.remove(&name)));
        let (mut report, mut params) = (LoadedWeights::default(), Vec::new());
        for info in network.params() {
            let shape = info.shape.to_vec();
            let Some(name) = given.remove(&info.name) else {
                if !self.partial {
                    let names = names(file.names().iter().map(String::as_str));
                    let own = &info.name;
                    return Err(format!(
                        "it has no tensor '{own}' of shape {shape:?}, only {names}"
                    ));
                }
                report.missing.push(info.name.clone());
                params.push(None);
                continue;
            };
            let (values, kind) = file.converted(&name, &shape)?;
            report.converted.extend(kind.map(|kind| (info.name.clone(), kind)));
            report.loaded.push(info.name.clone());
            params.push(Some(values));
        }
        report.left = given.into_values().collect();
        self.check(&report, network)?;
        Ok(ReadWeights { params, report })
    }

    /// The names of the tensors of a file, by the names of the parameters that they are for.
    fn given(&self, file: &Container<'_>) -> container::FileResult<BTreeMap<String, String>> {
        let mut given = BTreeMap::new();
        for name in file.names() {
            if let Some(other) = given.insert(self.renamed(&name), name.clone()) {
                let (other, name) = (cut(&other), cut(&name));
                return Err(format!("'{other}' and '{name}' are for the same parameter"));
            }
        }
        Ok(given)
    }

    /// Fails if tensors are left over that may not be, or if all are.
    fn check(&self, report: &LoadedWeights, network: &Network) -> container::FileResult<()> {
        let Some(left) = report.left.first().filter(|_| !self.partial || report.loaded.is_empty())
        else {
            return Ok(());
        };
        Err(superfluous(left, network))
    }
}

/// The message for a tensor that no parameter is for.
pub(super) fn superfluous(name: &str, network: &Network) -> String {
    let expected = names(network.params().iter().map(|info| info.name.as_str()));
    format!("it has a tensor '{}', which this network has not; expected are {expected}", cut(name))
}

/// The first of some names.
fn names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let rest = names.len().saturating_sub(MOST_NAMES);
    let list = names.take(MOST_NAMES).map(cut).collect::<Vec<_>>().join(", ");
    if rest == 0 { list } else { format!("{list} and {rest} more") }
}

/// The names of the `num_batches_tracked` tensors of a state_dict, which this library does not use itself.
pub(super) fn batch_counts(network: &Network) -> impl Iterator<Item = String> {
    let layers = network.params().iter().filter_map(|info| info.name.strip_suffix("running_mean"));
    layers.map(|layer| format!("{layer}num_batches_tracked"))
}
