//! Where to compute: the CPU reference or a GPU. The only place that knows both engines.

use crate::cpu::{self, Interpreter};
use crate::error::{Error, Result};
use crate::gpu::{self, Gpu, Plan};
use crate::program::{Op, ParamInfo, Program, Slot, StepEntry};

/// Where to compute.
///
/// ```
/// let device = wgrad::Device::cpu();
/// assert_eq!(device.to_string(), "cpu");
/// ```
#[derive(Clone, Debug)]
pub enum Device {
    /// The CPU reference, in `f32`.
    Cpu,
    /// A GPU through WebGPU.
    Gpu(Gpu),
}

impl Device {
    /// The CPU reference.
    pub const fn cpu() -> Self {
        Self::Cpu
    }

    /// A hardware GPU if there is one, else the CPU reference. The environment variable `WGRAD_DEVICE` overrides the
    /// choice, see [`Device::named`].
    ///
    /// # Errors
    /// As [`Device::named`].
    #[cfg(not(target_family = "wasm"))]
    pub fn auto() -> Result<Self> {
        pollster::block_on(Self::auto_async())
    }

    /// As [`Device::auto`], without blocking.
    ///
    /// # Errors
    /// As [`Device::named`].
    pub async fn auto_async() -> Result<Self> {
        match std::env::var("WGRAD_DEVICE") {
            Ok(name) if !name.is_empty() && name != "auto" => Self::named_async(&name).await,
            _ => Self::hardware_or_cpu().await,
        }
    }

    async fn hardware_or_cpu() -> Result<Self> {
        match Gpu::hardware().await {
            Ok(gpu) => Ok(Self::Gpu(gpu)),
            Err(Error::NoAdapter(_)) => Ok(Self::Cpu),
            Err(error) => Err(error),
        }
    }

    /// The device of this name: `cpu`, `gpu` (any adapter, hardware first), `auto` (as [`Device::auto`]), or a part of
    /// an adapter's name such as `llvmpipe` or `nvidia`.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if no adapter fits; it lists those there are.
    #[cfg(not(target_family = "wasm"))]
    pub fn named(name: &str) -> Result<Self> {
        pollster::block_on(Self::named_async(name))
    }

    /// As [`Device::named`], without blocking.
    ///
    /// # Errors
    /// As [`Device::named`].
    pub async fn named_async(name: &str) -> Result<Self> {
        match name.to_lowercase().as_str() {
            "cpu" => Ok(Self::Cpu),
            "auto" => Box::pin(Self::auto_async()).await,
            "gpu" => Gpu::request().await.map(Self::Gpu),
            _ => Gpu::named(name).await.map(Self::Gpu),
        }
    }

    /// The GPU, if this is one.
    pub fn gpu(&self) -> Option<&Gpu> {
        match self {
            Self::Cpu => None,
            Self::Gpu(gpu) => Some(gpu),
        }
    }
}

impl From<Gpu> for Device {
    fn from(gpu: Gpu) -> Self {
        Self::Gpu(gpu)
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(gpu) => gpu.fmt(f),
        }
    }
}

/// A network's parameters, gradients and optimizer state on a device.
#[derive(Debug)]
pub(crate) enum Weights {
    Cpu(cpu::Weights<f32>),
    Gpu(gpu::Weights),
}

impl Weights {
    pub fn new(
        device: &Device,
        info: &[ParamInfo],
        params: &[Vec<f32>],
        states: usize,
        state: f32,
    ) -> Result<Self> {
        let filled = |value: f32| {
            info.iter().map(|param| vec![value; param.shape.len()]).collect::<Vec<_>>()
        };
        match device {
            Device::Cpu => {
                let states = (0..states).map(|_| filled(state)).collect();
                Ok(Self::Cpu(cpu::Weights { params: params.to_vec(), grads: filled(0.0), states }))
            }
            Device::Gpu(gpu) => {
                let weights = gpu::Weights::new(gpu, info, states)?;
                weights.write_params(params)?;
                if state != 0.0 {
                    (0..states)
                        .try_for_each(|number| weights.write_state(number, &filled(state)))?;
                }
                Ok(Self::Gpu(weights))
            }
        }
    }

    pub fn write_params(&mut self, params: &[Vec<f32>]) -> Result<()> {
        match self {
            Self::Cpu(weights) => {
                weights.params = params.to_vec();
                Ok(())
            }
            Self::Gpu(weights) => weights.write_params(params),
        }
    }

    pub fn write_state(&mut self, number: usize, tensors: &[Vec<f32>]) -> Result<()> {
        match self {
            Self::Cpu(weights) => {
                weights
                    .states
                    .get_mut(number)
                    .into_iter()
                    .for_each(|state| *state = tensors.to_vec());
                Ok(())
            }
            Self::Gpu(weights) => weights.write_state(number, tensors),
        }
    }

    pub async fn read_params(&self) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Cpu(weights) => Ok(weights.params.clone()),
            Self::Gpu(weights) => weights.read_params().await,
        }
    }

    pub async fn read_grads(&self) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Cpu(weights) => Ok(weights.grads.clone()),
            Self::Gpu(weights) => weights.read_grads().await,
        }
    }

    pub async fn read_state(&self, number: usize) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Cpu(weights) => Ok(weights.states.get(number).cloned().unwrap_or_default()),
            Self::Gpu(weights) => weights.read_state(number).await,
        }
    }
}

/// The rule that gives each step its entry.
type Rule = Box<dyn Fn(u64) -> StepEntry + Send + Sync>;

/// A program on a device, with memory for its slots.
pub(crate) enum Executor {
    Cpu(Box<Interpreter<f32>>, Rule),
    Gpu(Box<Plan>),
}

/// The most steps submitted at once: bounded so that no submission runs long enough to alarm a driver's watchdog.
const STEPS_PER_SUBMIT: u64 = 64;

impl Executor {
    pub fn new(
        program: Program,
        weights: &Weights,
        device: &Device,
        first: u64,
        rule: impl Fn(u64) -> StepEntry + Send + Sync + 'static,
    ) -> Result<Self> {
        match (device, weights) {
            (Device::Cpu, _) => {
                let interpreter = Interpreter::new(program).starting_at(first);
                Ok(Self::Cpu(Box::new(interpreter), Box::new(rule)))
            }
            (Device::Gpu(gpu), Weights::Gpu(weights)) => {
                Ok(Self::Gpu(Box::new(Plan::new(gpu, program, Some(weights), &[], first, rule)?)))
            }
            (Device::Gpu(_), Weights::Cpu(_)) => {
                Err(Error::Internal("weights of another device".into()))
            }
        }
    }

    pub fn write(&mut self, slot: Slot, data: &[f32]) -> Result<()> {
        match self {
            Self::Cpu(interpreter, _) => interpreter.write(slot, data),
            Self::Gpu(plan) => plan.write(slot, data),
        }
    }

    pub fn write_indices(&mut self, slot: Slot, data: &[u32]) -> Result<()> {
        match self {
            Self::Cpu(interpreter, _) => interpreter.write_indices(slot, data),
            Self::Gpu(plan) => plan.write_indices(slot, data),
        }
    }

    /// Runs `steps` steps and gives the figures that they recorded.
    pub async fn run(
        &mut self,
        weights: &mut Weights,
        steps: u64,
    ) -> Result<Vec<[f32; Op::MAX_RECORDED]>> {
        match (self, weights) {
            (Self::Cpu(interpreter, rule), Weights::Cpu(weights)) => {
                for _ in 0..steps {
                    let entry = rule(interpreter.step());
                    interpreter.run(weights, &entry)?;
                }
                let padded =
                    |row: Vec<f32>| std::array::from_fn(|i| row.get(i).copied().unwrap_or(0.0));
                Ok(interpreter.take_records().into_iter().map(padded).collect())
            }
            (Self::Gpu(plan), Weights::Gpu(_)) => {
                let mut records = Vec::new();
                let mut left = steps;
                while left > 0 {
                    let chunk = left.min(plan.most_steps()).min(STEPS_PER_SUBMIT);
                    let from = plan.next_step();
                    plan.run(chunk)?;
                    if plan.is_counting() {
                        records.extend(plan.records(from..from + chunk).await?);
                    }
                    left -= chunk;
                }
                Ok(records)
            }
            _ => Err(Error::Internal("weights of another device".into())),
        }
    }

    pub async fn read(&self, slot: Slot) -> Result<Vec<f32>> {
        match self {
            Self::Cpu(interpreter, _) => Ok(interpreter.read(slot)?.to_vec()),
            Self::Gpu(plan) => plan.read(slot).await,
        }
    }

    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Cpu(..) => None,
            Self::Gpu(plan) => Some(plan),
        }
    }
}
