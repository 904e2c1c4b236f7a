//! The part of a checkpoint that a model needs: the network, its parameters, and what its rows and classes mean.

use std::path::Path;
use std::sync::Arc;

use super::container::{self, Container, Fields, checksum_of_values};
use super::{BYTES, MODEL_FIELD, files, wrong};
use crate::data::Standardize;
use crate::error::{Error, Result, cut};
use crate::nn::{Network, Sequential};
use crate::spec::Loss;
use crate::train::{Settings, Trainer};

/// The fields that a weights file holds besides the parameters.
const FIELDS: [&str; 4] = ["class_names", "loss", "network", "standardize"];

/// A model as a checkpoint holds it.
pub(in crate::train) struct SavedModel {
    pub network: Network,
    pub loss: Option<Loss>,
    pub class_names: Arc<[String]>,
    pub standardize: Option<Arc<Standardize>>,
    pub params: Vec<Vec<f32>>,
}

pub(in crate::train) fn read_model(path: &Path) -> Result<SavedModel> {
    let bytes = files::read(path)?;
    SavedModel::read(&bytes).map_err(|message| wrong(path.display(), message))
}

pub(in crate::train) fn read_model_bytes(bytes: &[u8]) -> Result<SavedModel> {
    SavedModel::read(bytes).map_err(|message| wrong(BYTES, message))
}

impl SavedModel {
    fn read(bytes: &[u8]) -> container::FileResult<Self> {
        let file = Container::read(bytes)?;
        let is_whole = file.get("format").is_some();
        let file = if is_whole { Container::read_checked(bytes)? } else { file };
        let Some(text) = file.get("network") else {
            return Err(
                "it does not hold its network; Model::with_weights takes the network".into()
            );
        };
        let network = text.parse::<Sequential>().and_then(|model| model.build()).map_err(words)?;
        let params = network.params().iter();
        let params = params.map(|info| file.tensor(&info.name, &info.shape.to_vec()));
        let params = params.collect::<container::FileResult<Vec<_>>>()?;
        if !is_whole && file.field(MODEL_FIELD)? != checksum(file.fields(), &params) {
            return Err("its checksum is not that of its content: it is damaged".into());
        }
        let loss = file.get("loss").and_then(|text| text.parse().ok());
        let (class_names, standardize) = (class_names(&file), standardize(&file, &network)?);
        Ok(Self { network, loss, class_names, standardize, params })
    }
}

fn words(error: Error) -> String {
    cut(&error.to_string()).into_owned()
}

/// The checksum of the fields of a weights file and its parameters.
pub(super) fn checksum(fields: &Fields, params: &[Vec<f32>]) -> String {
    let own = fields.iter().filter(|(name, _)| FIELDS.contains(&name.as_str()));
    let own = own.map(|(name, text)| (name.clone(), text.clone()));
    let params = ("weights".to_string(), checksum_of_values(params));
    container::checksum_of_fields(&own.chain([params]).collect())
}

/// The names of the classes of a file, one a line.
pub(super) fn class_names(file: &Container<'_>) -> Arc<[String]> {
    let lines = file.get("class_names").into_iter().flat_map(|text| text.split('\n'));
    lines.map(unescaped).collect()
}

fn unescaped(line: &str) -> String {
    let parts = line.split("\\\\").map(|part| part.replace("\\n", "\n"));
    parts.collect::<Vec<_>>().join("\\")
}

pub(super) fn standardize(
    file: &Container<'_>,
    network: &Network,
) -> container::FileResult<Option<Arc<Standardize>>> {
    let Some(text) = file.get("standardize") else { return Ok(None) };
    let standardize: Standardize = text.parse().map_err(words)?;
    standardize.check(network.inputs(), network.outputs()).map_err(words)?;
    Ok(Some(Arc::new(standardize)))
}

impl Trainer {
    /// The fields that a weights file holds besides the parameters.
    pub(super) fn model_fields(&self) -> Fields {
        let Settings { network, objective, class_names, standardize, .. } = &self.settings;
        let lines = class_names.iter().map(|name| name.replace('\\', "\\\\").replace('\n', "\\n"));
        let names = (!class_names.is_empty()).then(|| lines.collect::<Vec<_>>().join("\n"));
        let fields = [
            ("network", Some(network.sequential().to_string())),
            ("loss", Some(objective.loss.to_string())),
            ("class_names", names),
            ("standardize", standardize.as_ref().map(|standardize| standardize.to_string())),
        ];
        fields.into_iter().filter_map(|(name, text)| Some((name.to_string(), text?))).collect()
    }

    /// Fails if a checkpoint was saved from another network, which may have the same shapes.
    pub(super) fn check_network(&self, saved: &Container<'_>) -> container::FileResult<()> {
        let own = self.settings.network.sequential().to_string();
        match saved.get("network") {
            Some(other) if other != own => Err(format!(
                "it was saved from the network {}, this trainer has {}; load_weights takes the parameters alone",
                shortened(other),
                shortened(&own)
            )),
            _ => Ok(()),
        }
    }
}

/// A network's text, which says more than most texts in a message.
fn shortened(text: &str) -> String {
    let end = text.char_indices().nth(300).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default().to_string()
}
