//! Runs a program on either engine, and holds the weights that it trains.

use std::ops::Range;

use super::Device;
use crate::engine::cpu::{self, Interpreter};
use crate::engine::gpu::{self, Plan, Readback};
use crate::error::{Error, Result};
use crate::ir::{BoxedRule, InputData, Op, ParamInfo, Program, Slot, StepRule, WeightValues};
use crate::numeric::check_memory;
use crate::spec::Optimizer;
use crate::trace::span;

/// A network's parameters, gradients and optimizer state on a device.
#[derive(Debug)]
pub(crate) enum Weights {
    Cpu(cpu::InterpreterWeights<f32>),
    Gpu(gpu::PlanWeights),
}

impl Weights {
    /// Creates parameters with the given values and the initial state of the optimizer, if they are to be trained.
    pub(crate) fn new(
        device: &Device,
        info: &[ParamInfo],
        params: &[Vec<f32>],
        optimizer: Option<&Optimizer>,
        extras: usize,
    ) -> Result<Self> {
        match device {
            Device::Cpu => Ok(Self::Cpu(cpu::InterpreterWeights::new(
                info,
                params.to_vec(),
                optimizer,
                extras,
            ))),
            Device::Gpu(gpu) => {
                let weights = gpu::PlanWeights::new(gpu, info, optimizer, extras)?;
                weights.write_params(params)?;
                Ok(Self::Gpu(weights))
            }
        }
    }

    /// Fails if parameters, initial values, gradients and `states` state values do not fit into memory; called before
    /// any of them is allocated.
    pub(crate) fn check(device: &Device, info: &[ParamInfo], states: usize) -> Result<()> {
        let copies = match device {
            Device::Cpu => 3 + states as u64,
            Device::Gpu(gpu) => {
                gpu::PlanWeights::check_size(gpu, info)?;
                1
            }
        };
        let bytes: u64 = info.iter().map(|param| param.shape.len() as u64 * 4).sum();
        check_memory("the parameters", bytes.saturating_mul(copies))
    }

    /// Writes everything that training changes.
    pub(crate) fn write_values(&mut self, values: &WeightValues) -> Result<()> {
        match self {
            Self::Cpu(weights) => {
                let WeightValues { params, states, carried } = values.clone();
                (weights.params, weights.states, weights.carried) = (params, states, carried);
                Ok(())
            }
            Self::Gpu(weights) => weights.write_values(values),
        }
    }

    /// Reads everything that training changes.
    pub(crate) async fn read_values(&self) -> Result<WeightValues> {
        self.finish(self.copy_values()?).await
    }

    /// Copies everything that training changes, to be read if it is needed; on a GPU without waiting for it.
    pub(crate) fn copy_values(&self) -> Result<WeightsCopy> {
        match self {
            Self::Cpu(weights) => Ok(WeightsCopy::Cpu(WeightValues {
                params: weights.params.clone(),
                states: weights.states.clone(),
                carried: weights.carried.clone(),
            })),
            Self::Gpu(weights) => weights.copy_values().map(WeightsCopy::Gpu),
        }
    }

    /// Reads a copy of these weights.
    pub(crate) async fn finish(&self, copy: WeightsCopy) -> Result<WeightValues> {
        match (self, copy) {
            (_, WeightsCopy::Cpu(values)) => Ok(values),
            (Self::Gpu(weights), WeightsCopy::Gpu(copies)) => weights.finish(copies).await,
            (Self::Cpu(_), WeightsCopy::Gpu(_)) => {
                Err(Error::Internal("a copy of other weights".into()))
            }
        }
    }

    pub(crate) fn write_params(&mut self, params: &[Vec<f32>]) -> Result<()> {
        match self {
            Self::Cpu(weights) => {
                weights.params = params.to_vec();
                Ok(())
            }
            Self::Gpu(weights) => weights.write_params(params),
        }
    }

    pub(crate) fn write_state(&mut self, number: usize, tensors: &[Vec<f32>]) -> Result<()> {
        match self {
            Self::Cpu(weights) => {
                let missing = || Error::Internal(format!("there is no state value {number}"));
                *weights.states.get_mut(number).ok_or_else(missing)? = tensors.to_vec();
                Ok(())
            }
            Self::Gpu(weights) => weights.write_state(number, tensors),
        }
    }

    /// Writes some of the parameter tensors.
    pub(crate) fn write_some_params(&mut self, tensors: &[Option<Vec<f32>>]) -> Result<()> {
        match self {
            Self::Cpu(weights) => replace_some(&mut weights.params, tensors),
            Self::Gpu(weights) => return weights.write_some_params(tensors),
        }
        Ok(())
    }

    /// Writes one state value, an element per parameter, of some of the parameter tensors.
    pub(crate) fn write_some_state(
        &mut self,
        number: usize,
        tensors: &[Option<Vec<f32>>],
    ) -> Result<()> {
        match self {
            Self::Cpu(weights) => {
                let missing = || Error::Internal(format!("there is no state value {number}"));
                replace_some(weights.states.get_mut(number).ok_or_else(missing)?, tensors);
                Ok(())
            }
            Self::Gpu(weights) => weights.write_some_state(number, tensors),
        }
    }

    pub(crate) async fn read_params(&self) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Cpu(weights) => Ok(weights.params.clone()),
            Self::Gpu(weights) => weights.read_params().await,
        }
    }

    pub(crate) async fn read_grads(&self) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Cpu(weights) => Ok(weights.grads.clone()),
            Self::Gpu(weights) => weights.read_grads().await,
        }
    }

    pub(crate) async fn read_state(&self, number: usize) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Cpu(weights) => Ok(weights.states.get(number).cloned().unwrap_or_default()),
            Self::Gpu(weights) => weights.read_state(number).await,
        }
    }
}

fn replace_some(own: &mut [Vec<f32>], new: &[Option<Vec<f32>>]) {
    for (own, new) in own.iter_mut().zip(new) {
        if let Some(new) = new {
            own.clone_from(new);
        }
    }
}

/// A copy of everything that training changes.
pub(crate) enum WeightsCopy {
    Cpu(WeightValues),
    Gpu(Vec<Readback>),
}

/// A program with memory for its slots, ready to run on a device.
pub(crate) enum Executor {
    Cpu(Box<Interpreter<f32>>, BoxedRule),
    Gpu(Box<Plan>),
}

/// The most steps per submission, so that none runs long enough to trigger a driver's watchdog.
const STEPS_PER_SUBMIT: u64 = 64;

/// A record of fewer values than the most.
fn padded(row: Vec<f32>) -> [f32; Op::MAX_RECORDED] {
    std::array::from_fn(|i| row.get(i).copied().unwrap_or(0.0))
}

impl Executor {
    pub(crate) fn new(
        program: Program,
        weights: &Weights,
        device: &Device,
        first: u64,
        rule: impl StepRule + Send + Sync + 'static,
    ) -> Result<Self> {
        match (device, weights) {
            (Device::Cpu, _) => {
                check_memory(program.name(), program.bytes())?;
                let interpreter = Interpreter::new(program).starting_at(first);
                Ok(Self::Cpu(Box::new(interpreter), Box::new(rule)))
            }
            (Device::Gpu(gpu), Weights::Gpu(weights)) => {
                let rule = Box::new(rule);
                Ok(Self::Gpu(Box::new(Plan::ruled(gpu, program, Some(weights), &[], first, rule)?)))
            }
            (Device::Gpu(_), Weights::Cpu(_)) => {
                Err(Error::Internal("weights of another device".into()))
            }
        }
    }

    /// Returns whether a new executor of this program would differ from this one only in its steps and the contents of
    /// its slots.
    pub(crate) fn is_of(&self, program: &Program, weights: &Weights, device: &Device) -> bool {
        match (self, device, weights) {
            (Self::Cpu(interpreter, _), Device::Cpu, _) => interpreter.program() == program,
            (Self::Gpu(plan), Device::Gpu(gpu), Weights::Gpu(weights)) => {
                plan.is_of(gpu, program, Some(weights))
            }
            _ => false,
        }
    }

    /// Begins anew at step `first` with another rule; returns false if it cannot yet.
    pub(crate) fn restart(
        &mut self,
        first: u64,
        rule: impl StepRule + Send + Sync + 'static,
    ) -> Result<bool> {
        match self {
            Self::Cpu(interpreter, own) => {
                interpreter.restart(first);
                *own = Box::new(rule);
                Ok(true)
            }
            Self::Gpu(plan) => plan.restart(first, Box::new(rule)),
        }
    }

    /// The bytes of its memory, without the weights.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Cpu(interpreter, _) => interpreter.program().bytes(),
            Self::Gpu(plan) => plan.own_bytes(),
        }
    }

    pub(crate) fn write(&mut self, slot: Slot, data: &[f32]) -> Result<()> {
        match self {
            Self::Cpu(interpreter, _) => interpreter.write(slot, data),
            Self::Gpu(plan) => plan.write(slot, data),
        }
    }

    /// Writes constant inputs.
    pub(crate) fn write_all(&mut self, constants: &[(Slot, Vec<f32>)]) -> Result<()> {
        constants.iter().try_for_each(|(slot, data)| self.write(*slot, data))
    }

    pub(crate) fn write_indices(&mut self, slot: Slot, data: &[u32]) -> Result<()> {
        match self {
            Self::Cpu(interpreter, _) => interpreter.write_indices(slot, data),
            Self::Gpu(plan) => plan.write_indices(slot, data),
        }
    }

    /// Runs `steps` steps and returns the values that they recorded.
    pub(crate) async fn run(
        &mut self,
        weights: &mut Weights,
        steps: u64,
    ) -> Result<Vec<[f32; Op::MAX_RECORDED]>> {
        match (self, weights) {
            (Self::Cpu(interpreter, rule), Weights::Cpu(weights)) => {
                let _span = span!("steps", count = steps).entered();
                interpreter.run_due(steps, weights, &**rule)?;
                Ok(interpreter.take_records().into_iter().map(padded).collect())
            }
            (Self::Gpu(plan), Weights::Gpu(_)) => {
                let mut records = Vec::new();
                let mut left = steps;
                while left > 0 {
                    let chunk = left.min(plan.most_steps()).min(STEPS_PER_SUBMIT);
                    match plan.is_counting() {
                        true => records.extend(plan.run_recorded(chunk).await?),
                        false => plan.run(chunk)?,
                    }
                    left -= chunk;
                }
                Ok(records)
            }
            _ => Err(Error::Internal("weights of another device".into())),
        }
    }

    /// The most steps whose records are kept.
    pub(crate) fn most_steps(&self) -> u64 {
        match self {
            Self::Cpu(..) => u64::MAX,
            Self::Gpu(plan) => plan.most_steps(),
        }
    }

    /// Runs a step on inputs that are sent with it. Does not wait for it; [`Executor::records`] does.
    pub(crate) fn run_on(
        &mut self,
        weights: &mut Weights,
        inputs: &[(Slot, InputData<'_>)],
    ) -> Result<()> {
        match (self, weights) {
            (Self::Cpu(interpreter, rule), Weights::Cpu(weights)) => {
                for (slot, words) in inputs {
                    match words {
                        InputData::F32(data) => interpreter.write(*slot, data)?,
                        InputData::U32(data) => interpreter.write_indices(*slot, data)?,
                    }
                }
                let entry = interpreter.due(&**rule);
                interpreter.run(weights, &entry)
            }
            (Self::Gpu(plan), Weights::Gpu(_)) => plan.run_on(inputs),
            _ => Err(Error::Internal("weights of another device".into())),
        }
    }

    /// The values that the steps since step `from` recorded.
    pub(crate) async fn records(&mut self, from: u64) -> Result<Vec<[f32; Op::MAX_RECORDED]>> {
        match self {
            Self::Cpu(interpreter, _) => {
                Ok(interpreter.take_records().into_iter().map(padded).collect())
            }
            Self::Gpu(plan) => plan.records(from..plan.next_step()).await,
        }
    }

    pub(crate) async fn read(&self, slot: Slot) -> Result<Vec<f32>> {
        match self {
            Self::Cpu(interpreter, _) => Ok(interpreter.read(slot)?.to_vec()),
            Self::Gpu(plan) => plan.read(slot).await,
        }
    }

    /// The shortest runs of ops that can run one after the other.
    pub(crate) fn runs(&self) -> Vec<Range<usize>> {
        match self {
            Self::Cpu(interpreter, _) => {
                (0..interpreter.program().ops().len()).map(|op| op..op + 1).collect()
            }
            Self::Gpu(plan) => plan.runs().collect(),
        }
    }

    /// Runs one of [`Executor::runs`]; they must follow each other.
    pub(crate) fn run_ops(&mut self, weights: &mut Weights, ops: Range<usize>) -> Result<()> {
        match (self, weights) {
            (Self::Cpu(interpreter, rule), Weights::Cpu(weights)) => {
                let entry = interpreter.due(&**rule);
                interpreter.run_ops(ops, weights, &entry)
            }
            (Self::Gpu(plan), Weights::Gpu(_)) => {
                let gpu = plan.gpu().clone();
                gpu.submit("ops", |encoder| plan.encode_ops(encoder, ops)).map(drop)
            }
            _ => Err(Error::Internal("weights of another device".into())),
        }
    }

    /// Reads an input or a value right after the op that produces it; nothing if it is not stored.
    pub(crate) async fn read_now(&self, slot: Slot) -> Result<Vec<f32>> {
        match self {
            Self::Cpu(interpreter, _) => Ok(interpreter.read(slot)?.to_vec()),
            Self::Gpu(plan) if plan.stored(slot).is_some() => plan.read_now(slot).await,
            Self::Gpu(_) => Ok(Vec::new()),
        }
    }

    pub(crate) fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Cpu(..) => None,
            Self::Gpu(plan) => Some(plan),
        }
    }
}
