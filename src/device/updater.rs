//! An optimizer alone: updates tensors of the caller by gradients of the caller.

use super::{Device, Tensor};
use crate::engine::cpu::{Interpreter, InterpreterWeights};
use crate::engine::gpu::{UpdatePlan, View};
use crate::error::{Error, Result};
use crate::ir::{DType, LiveSteps, ParamInfo, Program, Slot, Steps};
use crate::numeric::check_memory;
use crate::random::{Key, Stream};
use crate::shape::Shape;
use crate::spec::{Optimizer, ParamValue};

/// An optimizer over tensors of the caller, which it changes in place; it keeps its state from step to step.
///
/// Where several tensors share their memory, such as a tensor and its [reshape](Tensor::reshape), all of them change.
///
/// ```
/// use ndarray::array;
/// use wgrad::{Device, Optimizer};
///
/// let device = Device::cpu();
/// let p = device.tensor(&array![1.0, -2.0])?;
/// let mut updater = device.updater(Optimizer::sgd().learning_rate(0.5), &[&p])?;
/// for _ in 0..3 {
///     updater.step(&[&p])?; // The gradient of |p|^2 / 2 is p.
/// }
/// assert_eq!(p.read()?, array![0.125, -0.25].into_dyn());
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Debug)]
pub struct Updater {
    device: Device,
    params: Vec<Tensor>,
    steps: LiveSteps,
    engine: Engine,
    /// The place of the loss, for an optimizer that takes it.
    loss_slot: Option<Slot>,
    loss: Option<f32>,
}

#[derive(Debug)]
enum Engine {
    Cpu(Box<Interpreter<f32>>, InterpreterWeights<f32>),
    Gpu(Box<UpdatePlan>),
}

impl Device {
    /// An optimizer over some tensors of this device, at its first step.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a hyper-parameter that is not valid; [`Error::Unsupported`] for a tensor of another
    /// device or of indices, or one that is given twice; [`Error::Limit`] for more than fits on the device.
    pub fn updater(&self, optimizer: Optimizer, params: &[&Tensor]) -> Result<Updater> {
        Updater::new(self, optimizer, params.iter().copied().cloned().collect(), 0)
    }
}

impl Updater {
    fn new(device: &Device, optimizer: Optimizer, params: Vec<Tensor>, seed: u64) -> Result<Self> {
        check(device, &params)?;
        let (program, loss_slot) = program(optimizer, &params, seed)?;
        let steps = Steps::new(optimizer, 1).live();
        let engine = match device {
            Device::Cpu => {
                let (info, values) = (program.params(), values(params.iter()));
                let weights = InterpreterWeights::new(info, values, Some(&optimizer), 0);
                Engine::Cpu(Box::new(Interpreter::new(program)), weights)
            }
            Device::Gpu(gpu) => {
                Engine::Gpu(Box::new(UpdatePlan::new(gpu, program, &optimizer, steps.clone())?))
            }
        };
        Ok(Self { device: device.clone(), params, steps, engine, loss_slot, loss: None })
    }

    /// The same optimizer at its first step, with the random numbers of another seed, for those that draw any.
    ///
    /// # Errors
    /// As [`Device::updater`].
    pub fn seed(self, seed: u64) -> Result<Self> {
        let optimizer = self.steps.read().optimizer;
        Self::new(&self.device, optimizer, self.params, seed)
    }

    /// Sets the loss at the parameters, for the steps from now on, of an optimizer that takes it, such as eve.
    pub fn set_loss(&mut self, loss: f32) {
        self.loss = Some(loss);
    }

    /// Sets a hyper-parameter of the optimizer, such as `lr`, for the steps from now on.
    ///
    /// # Errors
    /// [`Error::Parameter`] if it does not take the value; [`Error::UnknownName`] if there is none of this name;
    /// [`Error::Unsupported`] if it would change the state values that the optimizer keeps.
    pub fn set_optimizer<'a>(
        &mut self,
        parameter: &str,
        value: impl Into<ParamValue<'a>>,
    ) -> Result<()> {
        let mut steps = self.steps.write();
        steps.optimizer = steps.optimizer.going_on_with(parameter, value)?;
        Ok(())
    }

    /// Updates the parameters by their gradients, in the order in which they were given.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a gradient of the same shape for each parameter; [`Error::Unsupported`] for one
    /// of another device, or without the loss that the optimizer takes; [`Error::DeviceLost`].
    pub fn step(&mut self, grads: &[&Tensor]) -> Result<()> {
        self.check_grads(grads)?;
        let (tensors, loss) = (self.views(grads), self.loss()?);
        let (interpreter, weights) = match &mut self.engine {
            Engine::Gpu(plan) => return plan.run(&tensors, loss),
            Engine::Cpu(interpreter, weights) => (interpreter, weights),
        };
        weights.params = values(self.params.iter());
        weights.grads = values(grads.iter().copied());
        if let Some((slot, loss)) = loss {
            interpreter.write(slot, &[loss])?;
        }
        let entry = interpreter.due(&self.steps);
        interpreter.run(weights, &entry)?;
        interpreter.take_records();
        let updated = self.params.iter().zip(std::mem::take(&mut weights.params));
        updated.for_each(|(param, values)| param.replace(values));
        Ok(())
    }

    fn loss(&self) -> Result<Option<(Slot, f32)>> {
        let missing = || Error::unsupported(NAME, "the optimizer takes the loss; set it first");
        self.loss_slot.map(|slot| Ok((slot, self.loss.ok_or_else(missing)?))).transpose()
    }

    /// Records with the plan of an update on a GPU, over the tensors and with the loss that it takes.
    pub(crate) fn recorded(
        &mut self,
        grads: &[&Tensor],
        record: impl FnOnce(&mut UpdatePlan, &[[View; 2]], Option<(Slot, f32)>) -> Result<()>,
    ) -> Result<()> {
        self.check_grads(grads)?;
        let (tensors, loss) = (self.views(grads), self.loss()?);
        match &mut self.engine {
            Engine::Gpu(plan) => record(plan, &tensors, loss),
            Engine::Cpu(..) => {
                let message = "steps are recorded on a GPU; on the CPU reference take `step`";
                Err(Error::unsupported(NAME, message))
            }
        }
    }

    /// Each parameter with its gradient, in buffers.
    fn views(&self, grads: &[&Tensor]) -> Vec<[View; 2]> {
        let pairs = self.params.iter().zip(grads);
        pairs
            .filter_map(|(param, grad)| Some([param.view()?, grad.view()?].map(View::clone)))
            .collect()
    }

    fn check_grads(&self, grads: &[&Tensor]) -> Result<()> {
        let have: Vec<Shape> = grads.iter().map(|grad| grad.shape()).collect();
        let want: Vec<Shape> = self.params.iter().map(Tensor::shape).collect();
        if have != want {
            let message = format!("gradients of the shapes {have:?} for parameters of {want:?}");
            return Err(Error::shape(NAME, message));
        }
        grads.iter().try_for_each(|grad| grad.check_on(&self.device, NAME))
    }
}

const NAME: &str = "updater";

/// The values of tensors in host memory.
fn values<'a>(tensors: impl Iterator<Item = &'a Tensor>) -> Vec<Vec<f32>> {
    tensors.filter_map(Tensor::values).map(|values| values.to_vec()).collect()
}

fn check(device: &Device, params: &[Tensor]) -> Result<()> {
    params.iter().try_for_each(|param| param.check_on(device, NAME))?;
    let twice = |place: usize, param: &Tensor| {
        params.iter().skip(place + 1).any(|other| param.shares_memory(other))
    };
    if let Some(place) = params.iter().enumerate().position(|(place, param)| twice(place, param)) {
        let message = format!("parameter {place} shares its memory with a later one");
        return Err(Error::unsupported(NAME, message));
    }
    let elements: u64 = params.iter().map(|param| param.shape().len() as u64).sum();
    check_memory(NAME, elements.saturating_mul(12))
}

/// An update of parameters of these shapes, and the loss that it takes, if any.
fn program(optimizer: Optimizer, params: &[Tensor], seed: u64) -> Result<(Program, Option<Slot>)> {
    let info = |(index, param): (usize, &Tensor)| ParamInfo {
        name: index.to_string(),
        shape: param.shape(),
        l1: 0.0,
        l2: 0.0,
        multiplier: 1.0,
        decays: true,
        has_gradient: true,
    };
    let mut program = Program::new(NAME, params.iter().enumerate().map(info).collect());
    let takes_loss = optimizer.takes_loss();
    let loss = takes_loss.then(|| program.input("loss", Shape::scalar(), DType::F32));
    program.update(optimizer, loss, Key::new(seed, Stream::Optimizer))?;
    program.record(&[])?;
    Ok((program, loss))
}
