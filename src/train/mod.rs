//! Training: a network, a loss and an optimizer on a device.

mod average;
mod batch_weight;
mod builder;
mod checkpoint;
mod evaluate;
mod feed;
mod find_rate;
mod fit;
mod history;
mod kept;
mod log;
mod model;
mod nan;
mod predict;
mod run;
mod shader;
pub(crate) mod step;
#[cfg(not(target_family = "wasm"))]
mod sweep;
mod tune;

#[doc(hidden)]
pub use crate::renamed::steps::*;
pub use builder::TrainerBuilder;
pub use checkpoint::{LoadedWeights, WeightsFile};
pub use evaluate::ConfusionMatrix;
pub use find_rate::LearningRateCurve;
pub use fit::{EarlyStopping, Fit};
pub use history::{Epoch, Evaluation, History};
pub use model::Model;
pub use shader::ShaderFunction;
#[cfg(not(target_family = "wasm"))]
pub use sweep::{Sweep, SweepRow, SweepRun, SweepTable};

use std::sync::Arc;

use kept::{KeptExecutors, no_executors};
use ndarray::{Array2, ArrayD, ArrayView, Dimension};

use crate::data::{Dataset, Standardize, Targets};
use crate::device::{Device, Weights};
use crate::error::{Error, Result, cut};
pub use crate::ir::step::Averaging;
use crate::ir::{ParamInfo, Steps};
use crate::nn::{GradientTransforms, Network, Objective, Sequential, TargetKind};
use crate::spec::schedule::{Plateau, PlateauState};
use crate::spec::{Loss, Metric, Optimizer, ParamValue, Reduction, Schedule};

/// A network on a device, with the state of its optimizer and its position in the training run.
///
/// It keeps the lowered programs of its last calls with their memory, four at most and 64 MiB in all, for further calls of
/// equal shapes: a loop that learns row by row lowers nothing anew. That memory holds the rows of those calls, and is freed
/// with the trainer.
///
/// ```
/// use wgrad::prelude::*;
///
/// let data = data::spiral(100, 3, 0)?;
/// let model = Sequential::new(2).dense(64).activation(Activation::relu()).dense(3);
/// let mut trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam().learning_rate(0.05))
///     .schedule(Schedule::inverse_time(5e-7)?)
///     .seed(0)
///     .on(&Device::cpu())?;
/// let history = trainer.fit(&data, Fit::epochs(200))?;
/// assert!(history.last().unwrap().loss < 0.7);
/// let evaluation = trainer.evaluate(&data)?;
/// assert!(evaluation.accuracy() > 0.6);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Debug)]
pub struct Trainer {
    settings: Settings,
    plateau_state: PlateauState,
    device: Device,
    weights: Weights,
    /// The number of steps done.
    step: u64,
    /// The number of updates done.
    updates: u64,
    /// The number of steps accumulated for the next update.
    gathered: u64,
    /// The number of epochs done.
    epoch: u64,
    dispatches: Option<usize>,
    kept: KeptExecutors,
}

/// The settings of a trainer, which no device is needed for.
#[derive(Clone, Debug)]
struct Settings {
    network: Network,
    objective: Objective,
    metrics_chosen: bool,
    optimizer: Optimizer,
    schedule: Schedule,
    /// The schedules of other hyper-parameters, by index.
    others: Vec<(usize, Schedule)>,
    plateau: Option<Plateau>,
    seed: u64,
    /// The names of the classes of the data that the network was trained on.
    class_names: Arc<[String]>,
    standardize: Option<Arc<Standardize>>,
}

impl Settings {
    /// A trainer at the start of its run.
    fn on(self, device: &Device, weights: Weights) -> Trainer {
        Trainer {
            settings: self,
            plateau_state: PlateauState::default(),
            device: device.clone(),
            weights,
            step: 0,
            updates: 0,
            gathered: 0,
            epoch: 0,
            dispatches: None,
            kept: no_executors(),
        }
    }
}

impl Trainer {
    /// Creates the builder of a trainer; [`TrainerBuilder::on`] puts it on a device.
    ///
    /// If a network ends in sigmoid with [`Loss::bce`], in softmax with [`Loss::categorical_cross_entropy`] or in
    /// log_softmax with [`Loss::nll`], its loss is computed from the logits, the input of that last layer: loss and
    /// gradient are those of [`Loss::bce_with_logits`] and [`Loss::cross_entropy`], so that saturated outputs also
    /// learn. The value is then not clamped (PyTorch's BCELoss stops at 100). Outputs, predictions and metrics still
    /// use the probabilities. With a custom clip (`eps` of bce, `clip` of categorical_cross_entropy) or a softmax
    /// temperature, the loss is computed from the probabilities, and clamped.
    #[allow(clippy::new_ret_no_self, reason = "a trainer exists only on a device")]
    pub fn new(model: Sequential, loss: Loss, optimizer: Optimizer) -> TrainerBuilder {
        TrainerBuilder {
            model,
            optimizer,
            schedule: Schedule::constant(),
            others: Vec::new(),
            plateau: None,
            seed: 0,
            loss,
            reduction: Reduction::Mean,
            standardize: None,
            metrics: None,
            class_weights: None,
            linear_cross_entropy: false,
            double_softmax: false,
            transforms: GradientTransforms::default(),
        }
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.settings.network
    }

    /// The device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The number of steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The number of epochs done.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Sets a hyper-parameter of the optimizer for all further steps.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a value outside its range; [`Error::UnknownName`] if the optimizer has no such
    /// parameter; [`Error::Unsupported`] if the optimizer would then keep different state.
    pub fn set_optimizer<'a>(
        &mut self,
        parameter: &str,
        value: impl Into<ParamValue<'a>>,
    ) -> Result<()> {
        self.settings.optimizer = self.settings.optimizer.going_on_with(parameter, value)?;
        Ok(())
    }

    /// The rule that determines the entries of further steps, over full batches of `rows` rows.
    fn steps(&self, rows: usize) -> Steps {
        Steps {
            schedule: self.settings.schedule.clone(),
            others: self.settings.others.clone(),
            scale: self.plateau_state.scale,
            transforms: self.settings.objective.transforms,
            first_update: self.updates,
            gathered: self.gathered,
            first_step: self.step,
            first_epoch: self.epoch,
            ..Steps::new(self.settings.optimizer, rows)
        }
    }

    /// The number of dispatches of one training step, available once [`Trainer::fit`] has run on a GPU.
    pub fn dispatches_per_step(&self) -> Option<usize> {
        self.dispatches
    }

    /// The parameters by name, in the order of the layers.
    ///
    /// # Errors
    /// [`Error::DeviceLost`] and [`Error::Timeout`] on a GPU.
    #[cfg(not(target_family = "wasm"))]
    pub fn parameters(&self) -> Result<Vec<(String, ArrayD<f32>)>> {
        pollster::block_on(self.parameters_async())
    }

    /// As [`Trainer::parameters`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::parameters`].
    pub async fn parameters_async(&self) -> Result<Vec<(String, ArrayD<f32>)>> {
        self.named(self.weights.read_params().await?)
    }

    /// Replaces a parameter. The optimizer's state and an average of the parameters stay as they are.
    ///
    /// ```
    /// use ndarray::array;
    /// use wgrad::prelude::*;
    ///
    /// let model = Sequential::new(2).dense(1);
    /// let mut trainer = Trainer::new(model, Loss::mse(), Optimizer::sgd()).on(&Device::cpu())?;
    /// trainer.set_parameters("0.weight", array![[3.0, -1.0]].view())?;
    /// assert_eq!(trainer.predict(vec![[1.0, 2.0]])?, array![[1.0]]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Shape`] for another shape, or a name that the network does not have; otherwise as
    /// [`Trainer::parameters`].
    pub fn set_parameters<D: Dimension>(
        &mut self,
        name: &str,
        values: ArrayView<'_, f32, D>,
    ) -> Result<()> {
        let params = self.settings.network.params();
        let Some((place, info)) = params.iter().enumerate().find(|(_, info)| info.name == name)
        else {
            let names = params.iter().map(|info| info.name.as_str()).collect::<Vec<_>>().join(", ");
            let message = format!("there is no parameter '{}', only {}", cut(name), cut(&names));
            return Err(Error::shape("set_parameters", message));
        };
        if values.shape() != info.shape.to_vec() {
            let message = format!("'{name}' is {}, not {:?}", info.shape, values.shape());
            return Err(Error::shape("set_parameters", message));
        }
        let value = |own| (own == place).then(|| values.iter().copied().collect());
        let tensors: Vec<Option<Vec<f32>>> = (0..params.len()).map(value).collect();
        self.weights.write_some_params(&tensors)
    }

    /// The gradients of the last step by parameter name.
    ///
    /// # Errors
    /// As [`Trainer::parameters`].
    #[cfg(not(target_family = "wasm"))]
    pub fn gradients(&self) -> Result<Vec<(String, ArrayD<f32>)>> {
        pollster::block_on(self.gradients_async())
    }

    /// As [`Trainer::gradients`], without blocking.
    ///
    /// # Errors
    /// As [`Trainer::parameters`].
    #[doc(hidden)]
    pub async fn gradients_async(&self) -> Result<Vec<(String, ArrayD<f32>)>> {
        self.named(self.weights.read_grads().await?)
    }

    fn named(&self, tensors: Vec<Vec<f32>>) -> Result<Vec<(String, ArrayD<f32>)>> {
        let named = |(info, values): (&ParamInfo, Vec<f32>)| {
            let array = ArrayD::from_shape_vec(info.shape.to_vec(), values);
            Ok((info.name.clone(), array.map_err(|error| Error::Internal(error.to_string()))?))
        };
        self.settings.network.params().iter().zip(tensors).map(named).collect()
    }

    fn natural_target(&self) -> TargetKind {
        self.settings.objective.natural_target(self.settings.network.outputs())
    }

    /// Checks a data set against the network and the loss; returns the kind of its targets.
    fn check(&self, call: &str, data: &Dataset) -> Result<TargetKind> {
        if data.is_empty() {
            return Err(Error::empty(call, "the data set has no rows"));
        }
        let (features, inputs, outputs) =
            (data.features(), self.settings.network.inputs(), self.settings.network.outputs());
        if features != inputs {
            let message =
                format!("the data set has {features} features a row, the network takes {inputs}");
            return Err(Error::shape(call, message));
        }
        self.settings.network.check_indices(call, data.inputs().view())?;
        let loss = self.settings.objective.loss;
        match data.targets() {
            Targets::Values(values) if values.ncols() != outputs => {
                let message = format!(
                    "the targets have {} columns, the network gives {outputs}",
                    values.ncols()
                );
                Err(Error::shape(call, message))
            }
            Targets::Values(values) => {
                if loss.takes_probabilities() {
                    check_probabilities(call, &loss, values)?;
                }
                Ok(TargetKind::Values(outputs))
            }
            Targets::Classes { .. } if !loss.takes_classes() => {
                let message =
                    format!("{loss} takes targets of shape [rows, {outputs}], not class indices");
                Err(Error::shape(call, message))
            }
            Targets::Classes { .. }
                if data.ignored().is_some() && data.ignored() != loss.ignore_index() =>
            {
                let marked = data.ignored().unwrap_or_default() as i32;
                let message = format!(
                    "the data set marks rows without a target by {marked}, which {loss} does not ignore; give a loss with \
                     ignore_index={marked}"
                );
                Err(Error::Target { op: call.to_string(), message })
            }
            Targets::Classes { labels, .. } => {
                let wrong = labels.iter().enumerate().find(|(_, label)| {
                    **label as usize >= outputs && Some(**label) != loss.ignore_index()
                });
                let Some((row, label)) = wrong else { return Ok(TargetKind::Class) };
                let message = format!(
                    "row {row} has class {label}, but the network gives {outputs} scores a row"
                );
                Err(Error::Target { op: call.to_string(), message })
            }
        }
    }

    /// The objective, with row weights if the data has any and, unless the caller chose some, metrics that suit targets
    /// of this variance, by default that of the data.
    fn objective_for(&self, data: &Dataset, variance: Option<f64>) -> Objective {
        let mut objective = self.settings.objective.clone();
        objective.weighted = data.weights().is_some();
        if !self.settings.metrics_chosen {
            let variance = variance.unwrap_or_else(|| data.target_variance());
            objective.metrics = Metric::suiting(&objective.loss, variance);
        }
        objective
    }

    /// Takes over the names of the data's classes, if they have names.
    fn settle_class_names(&mut self, data: &Dataset) {
        if !data.class_names().is_empty() {
            self.settings.class_names = data.class_names().into();
        }
    }
}

/// Fails for targets that are not probabilities.
fn check_probabilities(call: &str, loss: &Loss, targets: &Array2<f32>) -> Result<()> {
    let outside = |target: &f32| *target < 0.0 || *target > 1.0;
    let Some(((row, _), target)) = targets.indexed_iter().find(|(_, target)| outside(target))
    else {
        return Ok(());
    };
    let (count, all) = (targets.iter().filter(|target| outside(target)).count(), targets.len());
    let message = format!(
        "{count} of {all} targets lie outside 0 to 1, where {loss} takes probabilities; the first is {target} in row {row}"
    );
    Err(Error::Target { op: call.to_string(), message })
}
