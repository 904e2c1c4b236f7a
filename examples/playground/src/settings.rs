//! The settings of a run, as the page's address has them.

use std::str::FromStr;

use wgrad::data::Targets;
use wgrad::ndarray::Array2;
use wgrad::prelude::*;
use wgrad::spec::{Choice, Domain, Kind, LossKind};
use wgrad::train::TrainerBuilder;

use crate::Result;
use crate::sets::DataKind;

/// Everything that decides a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The data.
    pub data: DataKind,
    /// The standard deviation of the noise.
    pub noise: f64,
    /// The user's rows.
    pub own: String,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The activation of the hidden layers.
    pub activation: Activation,
    /// The loss; that which suits the data if none is chosen.
    pub loss: Option<Loss>,
    /// The optimizer.
    pub optimizer: Optimizer,
    /// The learning rate.
    pub rate: f64,
    /// The rows of a batch; 0 for all.
    pub batch: usize,
    /// The strengths of the L1 and L2 penalties.
    pub penalty: [f64; 2],
    /// The seed.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data: DataKind::Spiral,
            noise: 0.0,
            own: String::new(),
            hidden: vec![16, 16],
            activation: Activation::tanh(),
            loss: None,
            optimizer: Optimizer::adam(),
            rate: 0.01,
            batch: 0,
            penalty: [0.0; 2],
            seed: 0,
        }
    }
}

fn number<T: FromStr>(key: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| format!("{key}={value} is no number").into())
}

impl Settings {
    /// Reads pairs of names and values; other names are left alone.
    ///
    /// # Errors
    /// A message for what is no number, or in no list.
    pub fn new<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut all = Self::default();
        pairs.into_iter().try_for_each(|(key, value)| all.set(key, value))?;
        Ok(all)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<()> {
        match key {
            "data" => self.data = data_kind(value)?,
            "noise" => self.noise = number::<f64>(key, value)?.clamp(0.0, 1.0),
            "own" => self.own = value.to_string(),
            "hidden" => self.hidden = widths(key, value)?,
            "activation" => self.activation = value.parse()?,
            "loss" => self.loss = if value.is_empty() { None } else { Some(value.parse()?) },
            "optimizer" => self.optimizer = value.parse()?,
            "rate" => self.rate = number(key, value)?,
            "batch" => self.batch = number(key, value)?,
            "l1" => self.penalty[0] = number(key, value)?,
            "l2" => self.penalty[1] = number(key, value)?,
            "seed" => self.seed = number(key, value)?,
            _ => {}
        }
        Ok(())
    }

    /// The loss of this data.
    pub fn loss(&self, is_curve: bool) -> Loss {
        let usual = if is_curve { Loss::mse() } else { Loss::cross_entropy() };
        self.loss.filter(|loss| suits(loss, is_curve)).unwrap_or(usual)
    }

    /// The data of a run: for training, and for validation.
    ///
    /// # Errors
    /// As [`DataKind::data`] and [`Dataset::split`].
    pub fn data(&self) -> Result<(Dataset, Dataset)> {
        Ok(self.data.data(self.noise, &self.own, self.seed)?.split(0.8, self.seed)?)
    }

    /// The data with the targets that the loss takes.
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn for_loss(&self, data: &Dataset) -> Result<Dataset> {
        let Targets::Classes { labels, classes } = data.targets() else { return Ok(data.clone()) };
        let no = match &self.loss(false).entry().kind {
            LossKind::Elementwise(map) if map.domain[1] == Domain::Sign => -1.0,
            LossKind::Row(_) if self.loss(false).takes_classes() => return Ok(data.clone()),
            _ => 0.0,
        };
        let value = |(row, class)| if labels[row] == class as u32 { 1.0 } else { no };
        let values = Array2::from_shape_fn((labels.len(), *classes), value);
        Ok(Dataset::new(data.inputs().clone(), values)?)
    }

    /// How sharply the picture tells classes apart by scores of this loss: those that are no logits lie close together.
    pub fn sharpness(&self) -> f32 {
        let loss = self.loss(false);
        match (&loss.entry().kind, output(&loss).map(|f| f.name())) {
            (_, Some("log_softmax")) => 1.0,
            (_, Some(_)) => 5.0,
            (LossKind::Elementwise(map), _) if map.domain[1] != Domain::Unit => 5.0,
            _ => 1.0,
        }
    }

    /// The trainer of a run over this data.
    ///
    /// # Errors
    /// [`wgrad::Error::Parameter`] for a learning rate that the optimizer does not take.
    pub fn trainer(&self, data: &Dataset, is_curve: bool) -> Result<TrainerBuilder> {
        let [l1, l2] = self.penalty;
        let dense = |width| Dense::new(width).l1(l1, 0.0).l2(l2, 0.0);
        let hidden = self.hidden.iter().fold(Sequential::new(data.features()), |model, width| {
            model.layer(dense(*width)).activation(self.activation)
        });
        let loss = self.loss(is_curve);
        let model = hidden.layer(dense(data.outputs()));
        let model = output(&loss).into_iter().fold(model, Sequential::activation);
        let optimizer = match self.optimizer.get("lr") {
            Some(_) => self.optimizer.with("lr", self.rate)?,
            None => self.optimizer,
        };
        Ok(Trainer::new(model, loss, optimizer).seed(self.seed))
    }
}

fn data_kind(name: &str) -> Result<DataKind> {
    let names = DataKind::ALL.map(DataKind::name).join(", ");
    let found = DataKind::ALL.into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| format!("there is no data '{name}', only {names}").into())
}

fn widths(key: &str, value: &str) -> Result<Vec<usize>> {
    let widths = value.split(',').map(str::trim).filter(|width| !width.is_empty());
    let widths: Vec<usize> = widths.map(|width| number(key, width)).collect::<Result<_>>()?;
    Ok(widths.into_iter().take(6).map(|width| width.clamp(1, 256)).collect())
}

/// Returns whether the op is the same by its name alone: none of its parameters must be given.
fn is_its_name<K: Kind>(op: &Choice<K>) -> bool {
    Choice::<K>::named(op.name()).is_ok_and(|named| named.values() == op.values())
}

/// The activations that a hidden layer may have.
pub fn activations() -> impl Iterator<Item = &'static str> {
    let builds = |f: &Activation| {
        let model = Sequential::new(2).dense(8).activation(*f).dense(1);
        model.build().is_ok()
    };
    Activation::all().filter(is_its_name).filter(builds).map(|f| f.name())
}

/// The optimizers.
pub fn optimizers() -> impl Iterator<Item = &'static str> {
    Optimizer::all().filter(is_its_name).map(|optimizer| optimizer.name())
}

/// The losses of a curve, or of classes.
pub fn losses(is_curve: bool) -> impl Iterator<Item = &'static str> {
    Loss::all()
        .filter(is_its_name)
        .filter(move |loss| suits(loss, is_curve))
        .map(|loss| loss.name())
}

/// Returns whether a network of real outputs, or with the last layer that [`output`] gives, learns this by the loss.
fn suits(loss: &Loss, is_curve: bool) -> bool {
    match &loss.entry().kind {
        LossKind::Elementwise(map) if map.inputs == 1 => match map.domain {
            [Domain::Real, Domain::Real, _] => true,
            [Domain::Real | Domain::Unit, Domain::Unit | Domain::Sign, _] => !is_curve,
            _ => false,
        },
        LossKind::Row(row) => {
            !is_curve && row.inputs == 1 && (loss.takes_classes() || output(loss).is_some())
        }
        _ => false,
    }
}

/// The last layer that makes of scores what the loss takes.
fn output(loss: &Loss) -> Option<Activation> {
    match (&loss.entry().kind, loss.name()) {
        (_, "nll" | "kl_div") => Some(Activation::log_softmax()),
        (_, "categorical_cross_entropy" | "dice") => Some(Activation::softmax()),
        (LossKind::Elementwise(map), _) if map.domain[0] == Domain::Unit => {
            Some(Activation::sigmoid())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(settings: &Settings) -> Result<f64> {
        let (data, _) = settings.data()?;
        let train = settings.for_loss(&data)?;
        let is_curve = data.targets().values().is_some();
        let mut trainer = settings.trainer(&train, is_curve)?.on(&Device::cpu())?;
        let history = trainer.fit(&train, Fit::epochs(2).batch(64).continue_on_nan())?;
        Ok(history.last().map_or(f64::NAN, |epoch| epoch.loss))
    }

    #[test]
    fn every_loss_of_the_lists_trains_on_its_data() {
        for (data, is_curve) in [("xor", false), ("sine", true)] {
            for loss in losses(is_curve) {
                let settings = Settings::new([("data", data), ("loss", loss), ("hidden", "4")]);
                let loss =
                    run(&settings.unwrap()).unwrap_or_else(|error| panic!("{loss}: {error}"));
                assert!(loss.is_finite());
            }
        }
    }

    #[test]
    fn every_activation_and_optimizer_of_the_lists_trains() {
        let pairs = activations().map(|name| ("activation", name));
        for pair in pairs.chain(optimizers().map(|name| ("optimizer", name))) {
            let settings = Settings::new([pair, ("data", "moons"), ("hidden", "4")]).unwrap();
            let loss = run(&settings).unwrap_or_else(|error| panic!("{pair:?}: {error}"));
            // Some optimizers want another rate than the page's.
            assert!(loss.is_finite() || pair.0 == "optimizer", "{pair:?}");
        }
        assert!(activations().count() > 20 && optimizers().count() > 20);
    }

    #[test]
    fn what_is_in_no_list_is_named() {
        let error = Settings::new([("data", "cubes")]).unwrap_err().to_string();
        assert!(error.contains("cubes") && error.contains("spiral"), "{error}");
        assert!(Settings::new([("rate", "fast")]).unwrap_err().to_string().contains("rate=fast"));
    }

    #[test]
    fn a_loss_that_does_not_suit_the_data_gives_way_to_the_usual_one() {
        let settings = Settings::new([("loss", "cross_entropy")]).unwrap();
        assert_eq!(settings.loss(true).name(), "mse");
        assert_eq!(settings.loss(false).name(), "cross_entropy");
    }
}
