//! The memory of the CPU reference while an op runs.

use std::sync::Arc;

use super::InterpreterWeights;
use crate::error::{Error, Result};
use crate::ir::{DType, Place, Program, Slot, StepEntry};
use crate::spec::Real;

/// The memory that an op runs on.
pub(crate) struct Memory<'a, F> {
    pub program: &'a Program,
    /// The values of the step.
    pub entry: &'a StepEntry,
    pub values: &'a mut Vec<Arc<Vec<F>>>,
    pub indices: &'a mut Vec<Vec<u32>>,
    pub weights: &'a mut InterpreterWeights<F>,
    pub progress: &'a mut Progress,
}

#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// The number of the step.
    pub step: u64,
    /// The number of skipped updates.
    pub late: u64,
    /// True if this step's update is skipped.
    pub skips: bool,
    /// The recorded values of the steps so far.
    pub records: Vec<Vec<f32>>,
}

impl Progress {
    /// Sets whether this step's update is skipped, and counts it if so.
    pub(crate) fn skip(&mut self, skips: bool) {
        self.skips = skips;
        self.late += u64::from(skips);
    }

    /// Ends the step and keeps its recorded values.
    pub(crate) fn end(&mut self, figures: Vec<f32>) {
        self.records.push(figures);
        self.step = self.step.saturating_add(1);
    }
}

impl<F: Real> Memory<'_, F> {
    pub(crate) fn place(&mut self, slot: Slot) -> Result<&mut Vec<F>> {
        let place = match self.program.slot(slot)?.place {
            Place::Param(index) => self.weights.params.get_mut(index),
            Place::Grad(index) => self.weights.grads.get_mut(index),
            Place::Input | Place::Value => self.values.get_mut(slot.0).map(Arc::make_mut),
            Place::Alias(base) => return self.place(base),
        };
        place.ok_or_else(|| no_memory(self.program, slot))
    }

    pub(crate) fn holds_indices(&self, slot: Slot) -> Result<bool> {
        Ok(self.program.slot(slot)?.dtype == DType::U32)
    }

    pub(crate) fn read(&self, slot: Slot) -> Result<&[F]> {
        let place = match self.program.slot(slot)?.place {
            Place::Param(index) => self.weights.params.get(index),
            Place::Grad(index) => self.weights.grads.get(index),
            Place::Input | Place::Value => self.values.get(slot.0).map(Arc::as_ref),
            Place::Alias(base) => return self.read(base),
        };
        place.map(Vec::as_slice).ok_or_else(|| no_memory(self.program, slot))
    }

    /// Calls `f` with the output moved out, so that it can read every other slot.
    pub(crate) fn write(
        &mut self,
        out: Slot,
        f: impl FnOnce(&Self, &mut [F]) -> Result<()>,
    ) -> Result<()> {
        let mut buffer = std::mem::take(self.place(out)?);
        let outcome = f(self, &mut buffer);
        *self.place(out)? = buffer;
        outcome
    }

    /// As [`Memory::write`] for several outputs.
    pub(crate) fn write_all(
        &mut self,
        outs: &[Slot],
        f: impl FnOnce(&Self, &mut [Vec<F>]) -> Result<()>,
    ) -> Result<()> {
        let take = |&out: &Slot| self.place(out).map(std::mem::take);
        let mut buffers = outs.iter().map(take).collect::<Result<Vec<_>>>()?;
        let outcome = f(self, &mut buffers);
        for (out, buffer) in outs.iter().zip(buffers) {
            *self.place(*out)? = buffer;
        }
        outcome
    }

    /// The indices of a slot.
    pub(crate) fn indices(&self, slot: Slot) -> &[u32] {
        self.indices.get(slot.0).map(Vec::as_slice).unwrap_or_default()
    }

    /// Calls `f` with the indices of the output moved out.
    pub(crate) fn write_indices(
        &mut self,
        out: Slot,
        f: impl FnOnce(&Self, &mut [u32]) -> Result<()>,
    ) -> Result<()> {
        let mut buffer = std::mem::take(self.index_place(out)?);
        let outcome = f(self, &mut buffer);
        *self.index_place(out)? = buffer;
        outcome
    }

    fn index_place(&mut self, slot: Slot) -> Result<&mut Vec<u32>> {
        self.indices.get_mut(slot.0).ok_or_else(|| no_memory(self.program, slot))
    }
}

fn no_memory(program: &Program, slot: Slot) -> Error {
    Error::Internal(format!("slot {} of '{}' has no memory", slot.0, program.name()))
}
