//! The step and the op that made the first NaN, found by running the last steps again.

use super::Trainer;
use super::feed::Fed;
use super::run::TrainingRun;
use crate::device::{Device, WeightsCopy};
use crate::engine::gpu::{Choices, Fusion};
use crate::error::{Error, Result};
use crate::ir::{DType, LiveSteps, Op, Operand, Place, Program, Slot, StepRule, WeightValues};

/// The number of steps after which the point that a run can be repeated from is renewed.
const STEPS: u64 = 1024;

/// A point of a run from which its steps can be repeated.
pub(super) struct Replay<V = WeightsCopy> {
    step: u64,
    /// The plateau's factor of the learning rate.
    scale: f64,
    values: V,
}

/// The number of epochs after which the point is renewed.
pub(super) fn epochs_between(per_epoch: u64) -> u64 {
    (STEPS / per_epoch.max(1)).max(1)
}

impl Trainer {
    /// Moves the point to the trainer's step once it lies far back, or if the steps since then had another rate.
    pub(super) fn renew(&self, replay: &mut Option<Replay>, live: &LiveSteps) -> Result<()> {
        let scale = live.read().scale;
        let is_due = |old: &Replay| old.step + STEPS <= self.step || old.scale != scale;
        if replay.as_ref().is_none_or(is_due) {
            let values = self.weights.copy_values()?;
            *replay = Some(Replay { step: self.step, scale, values });
        }
        Ok(())
    }

    /// The first of the last steps whose loss is NaN.
    pub(super) fn step_of_nan(&self, run: &TrainingRun<'_>, (records, _): &Fed) -> Option<u64> {
        let (layout, first) = (&run.io.record, self.step - records.len() as u64);
        let losses = records.iter().map(|record| layout.loss(record) + layout.penalty(record));
        (first..).zip(losses).find(|(_, loss)| loss.is_nan()).map(|(step, _)| step)
    }

    /// Finds the op that made the first NaN of a run whose loss is NaN in step `last`. The trainer is then as it was
    /// before the step of that op.
    pub(super) async fn explain_nan(
        &mut self,
        run: &mut TrainingRun<'_>,
        Replay { step, scale, values }: Replay,
        last: u64,
    ) -> Result<Error> {
        let values = self.weights.finish(values).await?;
        let mut clean = Replay { step, scale, values };
        run.live.write().scale = clean.scale;
        // Once a parameter or a state value is NaN it remains so: the first step that leaves one is found by bisection.
        let mut dirty = last + 1;
        while dirty - clean.step > 1 {
            let middle = clean.step + (dirty - clean.step) / 2;
            self.rewind(&clean)?;
            run.restart(self, &self.device)?;
            run.advance(self, middle - clean.step).await?;
            let values = self.weights.read_values().await?;
            if has_nan(&values) {
                dirty = middle;
            } else {
                clean = Replay { step: middle, values, ..clean };
            }
        }
        self.rewind(&clean)?;
        let found = self.first_op(run).await?;
        self.rewind(&clean)?;
        (self.updates, self.gathered) = run.live.read().progress(clean.step, 0);
        self.epoch = run.live.read().step(clean.step).epoch.into();
        let (op, message) = found.unwrap_or_else(|| {
            let message =
                "its loss is NaN, and no op makes one when each runs by itself".to_string();
            (run.io.program.name().to_string(), message)
        });
        Ok(Error::NotANumber { step: clean.step, op, message })
    }

    fn rewind(&mut self, replay: &Replay<WeightValues>) -> Result<()> {
        self.step = replay.step;
        self.weights.write_values(&replay.values)
    }

    /// Runs the trainer's step op by op up to the first NaN.
    async fn first_op(&mut self, run: &mut TrainingRun<'_>) -> Result<Option<(String, String)>> {
        run.restart(self, &one_by_one(&self.device))?;
        run.write_rows(self)?;
        let program = run.io.program.clone();
        let params = self.found(run, &program, Operand::Params).await?;
        if let Some(message) = params {
            return Ok(Some(("the parameters before it".into(), message)));
        }
        for slot in inputs(&program) {
            if let Some(message) = self.found(run, &program, Operand::Slot(slot)).await? {
                return Ok(Some(("the data".into(), message)));
            }
        }
        for ops in run.executor.runs() {
            run.executor.run_ops(&mut self.weights, ops.clone())?;
            for op in program.ops().get(ops).unwrap_or_default() {
                if let Some(message) = self.found_after(run, &program, op).await? {
                    return Ok(Some((program.line(op), message)));
                }
            }
        }
        Ok(None)
    }

    async fn found_after(
        &self,
        run: &TrainingRun<'_>,
        program: &Program,
        op: &Op,
    ) -> Result<Option<String>> {
        for operand in op.effects().changed() {
            let message = self.found(run, program, operand).await?;
            if message.is_some() {
                return Ok(message);
            }
        }
        Ok(None)
    }

    /// The NaNs of an operand, in words, if it has any.
    async fn found(
        &self,
        run: &TrainingRun<'_>,
        program: &Program,
        operand: Operand,
    ) -> Result<Option<String>> {
        let names = program.params().iter().map(|info| info.name.as_str());
        let tensors = match operand {
            Operand::Slot(slot) => return self.found_in(run, program, slot).await,
            Operand::Params => self.weights.read_params().await?,
            Operand::Grads => self.weights.read_grads().await?,
            Operand::States => self.weights.read_values().await?.states.concat(),
            Operand::Step => return Ok(None),
        };
        let mut named = names.cycle().zip(&tensors);
        Ok(named.find_map(|(name, values)| nans(name, values)))
    }

    async fn found_in(
        &self,
        run: &TrainingRun<'_>,
        program: &Program,
        slot: Slot,
    ) -> Result<Option<String>> {
        let info = program.slot(slot)?;
        let values = match program.slot(info.base(slot))?.place {
            _ if info.dtype != DType::F32 => return Ok(None),
            Place::Param(index) => self.weights.read_params().await?.into_iter().nth(index),
            Place::Grad(index) => self.weights.read_grads().await?.into_iter().nth(index),
            _ => Some(run.executor.read_now(slot).await?),
        };
        let mut values = values.unwrap_or_default();
        // Rows that a smaller batch does not have hold whatever was there before.
        let (all, own) = (run.live.read().batch, run.live.read().step(self.step).rows as usize);
        if info.place == Place::Value && info.shape.to_vec().first() == Some(&all) {
            values.truncate(values.len() / all.max(1) * own);
        }
        Ok(nans(&info.name, &values))
    }
}

/// The device with a dispatch for every op.
fn one_by_one(device: &Device) -> Device {
    match device {
        Device::Cpu => Device::Cpu,
        Device::Gpu(gpu) => {
            Device::Gpu(gpu.choosing(Choices { fusion: Fusion::Never, ..gpu.choices() }))
        }
    }
}

fn inputs(program: &Program) -> impl Iterator<Item = Slot> {
    let slots = program.slots().iter().enumerate();
    slots.filter(|(_, slot)| slot.place == Place::Input).map(|(number, _)| Slot(number))
}

fn has_nan(values: &WeightValues) -> bool {
    let WeightValues { params, states, carried } = values;
    let tensors = params.iter().chain(states.iter().flatten()).chain([carried]);
    tensors.flatten().any(|value| value.is_nan())
}

fn nans(name: &str, values: &[f32]) -> Option<String> {
    let first = values.iter().position(|value| value.is_nan())?;
    let (count, all) = (values.iter().filter(|value| value.is_nan()).count(), values.len());
    Some(format!("{count} of the {all} values of '{name}' are NaN, the first at place {first}"))
}
