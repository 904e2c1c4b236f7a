//! The CPU reference: runs a [`Program`] op by op over contiguous slices, in `f32` or `f64`.
//!
//! ```
//! use wgrad::ir::{DType, Interpreter, InterpreterWeights, StepEntry};
//! use wgrad::{Activation, Program, Shape};
//!
//! let mut program = Program::new("relu", vec![]);
//! let x = program.input("x", Shape::new(&[3])?, DType::F32);
//! let y = program.activation("y", Activation::relu(), x)?;
//! let mut cpu = Interpreter::<f64>::new(program);
//! cpu.write(x, &[-1.0, 0.0, 2.0])?;
//! cpu.run(&mut InterpreterWeights::default(), &StepEntry::rows(3))?;
//! assert_eq!(cpu.read(y)?, [0.0, 0.0, 2.0]);
//! # Ok::<(), wgrad::Error>(())
//! ```

mod memory;

pub(crate) use memory::Memory;
use memory::Progress;

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ir::{DType, ParamInfo, Place, Program, Slot, SlotInfo, StepEntry, StepRule};
use crate::spec::optimizer::Layout;
use crate::spec::{Optimizer, Real};
use crate::threads;

/// The bytes of a program's values and parameters from which on some of its ops may be worth several threads.
const LARGE: u64 = 1 << 18;

/// Parameters, their gradients and the optimizer's state, shared by the programs of one network.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InterpreterWeights<F> {
    /// The parameters, one vector per tensor.
    pub params: Vec<Vec<F>>,
    /// The gradients, one vector per parameter tensor.
    pub grads: Vec<Vec<F>>,
    /// For each state value of the optimizer, one vector per parameter tensor.
    pub states: Vec<Vec<Vec<F>>>,
    /// The further values that the optimizer carries from step to step.
    pub carried: Vec<F>,
}

impl<F: Real> InterpreterWeights<F> {
    /// Creates weights with the given parameters, gradients of zeros, and the initial state of the optimizer.
    ///
    /// `extras` more state values follow those of the optimizer, all zeros.
    pub fn new(
        info: &[ParamInfo],
        params: Vec<Vec<F>>,
        optimizer: Option<&Optimizer>,
        extras: usize,
    ) -> Self {
        let initial = optimizer.map(Optimizer::initial_state).unwrap_or_default();
        let layouts = optimizer.into_iter().flat_map(|optimizer| {
            (0..optimizer.states().len()).map(|state| optimizer.layout(state))
        });
        let own = initial.into_iter().zip(layouts);
        let extras = std::iter::repeat_n((0.0, Layout::Elements), extras);
        let states = own.chain(extras).map(|(value, layout)| {
            info.iter().map(|info| vec![F::of(value); layout.len(info.shape)]).collect()
        });
        let states = states.collect();
        let grads = params.iter().map(|param| vec![F::zero(); param.len()]).collect();
        let carried = optimizer.map(Optimizer::initial_carried).unwrap_or_default();
        let carried = carried.into_iter().flat_map(|(_, values)| values).map(F::of).collect();
        Self { params, grads, states, carried }
    }
}

impl<F> InterpreterWeights<F> {
    /// Fails unless the weights belong to the program.
    fn check(&self, program: &Program) -> Result<()> {
        let lens = |tensors: &[Vec<F>]| tensors.iter().map(Vec::len).collect::<Vec<_>>();
        let own = lens(&self.params);
        let has_state = |state: usize, layout: Layout| {
            let wanted = program.params().iter().map(|param| layout.len(param.shape));
            self.states.get(state).is_some_and(|tensors| wanted.eq(lens(tensors)))
        };
        program.check_weights(own.iter().copied(), has_state, self.carried.len())?;
        program.check_weights(lens(&self.grads).into_iter(), has_state, self.carried.len())
    }
}

/// A program with memory for its slots.
#[derive(Debug)]
pub struct Interpreter<F> {
    program: Program,
    /// Shared with the tensors that they were taken from, until they are written to.
    values: Vec<Arc<Vec<F>>>,
    indices: Vec<Vec<u32>>,
    progress: Progress,
}

impl<F: Real> Interpreter<F> {
    /// Allocates every slot, all zeros, with the step counter at 0.
    pub fn new(program: Program) -> Self {
        // The memory of parameters and gradients is in the weights.
        let sized = |wanted: DType| {
            move |slot: &SlotInfo| {
                let own = matches!(slot.place, Place::Input | Place::Value) && slot.dtype == wanted;
                if own { slot.shape.len() } else { 0 }
            }
        };
        let zeros = |len| Arc::new(vec![F::zero(); len]);
        let values = program.slots().iter().map(sized(DType::F32)).map(zeros).collect();
        let indices =
            program.slots().iter().map(sized(DType::U32)).map(|len| vec![0; len]).collect();
        Self { program, values, indices, progress: Progress::default() }
    }

    /// Sets the step counter to `step`.
    #[doc(hidden)]
    pub fn starting_at(self, step: u64) -> Self {
        let progress = Progress { step, ..self.progress };
        Self { progress, ..self }
    }

    /// Sets the step counter to `step` and forgets the steps before.
    pub(crate) fn restart(&mut self, step: u64) {
        self.progress = Progress { step, ..Progress::default() };
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// The number of the next step.
    #[doc(hidden)]
    pub fn step(&self) -> u64 {
        self.progress.step
    }

    /// The number of the next step, the number of skipped updates, and 1 if this step's update is skipped.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn progress(&self) -> [u64; 3] {
        let Progress { step, late, skips, .. } = self.progress;
        [step, late, skips.into()]
    }

    /// The entry of the next step by a rule, with the values of the update that is due: those of an earlier step if
    /// updates were skipped.
    #[doc(hidden)]
    pub fn entry(&self, rule: impl Fn(u64) -> StepEntry) -> StepEntry {
        self.due(&rule)
    }

    /// As [`Interpreter::entry`], for any rule.
    pub(crate) fn due(&self, rule: &(impl StepRule + ?Sized)) -> StepEntry {
        StepEntry::due(rule, self.progress.step, self.progress.late)
    }

    /// Writes values to a slot; if there are fewer than the slot holds, the rest is unchanged.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are more values than the slot holds.
    pub fn write(&mut self, slot: Slot, data: &[F]) -> Result<()> {
        let info = self.program.slot(slot)?.clone();
        write(&info, self.values.get_mut(info.base(slot).0).map(Arc::make_mut), data)
    }

    /// Writes indices to a slot.
    ///
    /// # Errors
    /// As [`Interpreter::write`].
    pub fn write_indices(&mut self, slot: Slot, data: &[u32]) -> Result<()> {
        let info = self.program.slot(slot)?.clone();
        write(&info, self.indices.get_mut(slot.0), data)
    }

    /// The values of a slot.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a slot of another program.
    pub fn read(&self, slot: Slot) -> Result<&[F]> {
        let base = self.program.slot(slot)?.base(slot);
        Ok(self.values.get(base.0).map(|values| values.as_slice()).unwrap_or_default())
    }

    /// Gives a slot values that others have, too.
    pub(crate) fn lend(&mut self, slot: Slot, values: Arc<Vec<F>>) -> Result<()> {
        let info = self.program.slot(slot)?;
        let base = info.base(slot);
        match self.values.get_mut(base.0).filter(|_| values.len() == info.shape.len()) {
            Some(place) => *place = values,
            None => return Err(wrong_len(info, values.len())),
        }
        Ok(())
    }

    /// The values of a slot, shared.
    pub(crate) fn shared(&self, slot: Slot) -> Result<Arc<Vec<F>>> {
        let base = self.program.slot(slot)?.base(slot);
        Ok(self.values.get(base.0).cloned().unwrap_or_default())
    }

    /// The indices of a slot.
    ///
    /// # Errors
    /// As [`Interpreter::read`].
    pub fn read_indices(&self, slot: Slot) -> Result<&[u32]> {
        self.program.slot(slot)?;
        Ok(self.indices.get(slot.0).map(Vec::as_slice).unwrap_or_default())
    }

    /// Runs every op once.
    ///
    /// # Errors
    /// [`Error::Parameter`] if a scheduled value of the step is out of range; [`Error::Unsupported`] if `weights` does
    /// not belong to the program.
    pub fn run(&mut self, weights: &mut InterpreterWeights<F>, entry: &StepEntry) -> Result<()> {
        self.run_until(self.program.ops().len(), weights, entry)
    }

    /// Runs steps by a rule.
    ///
    /// # Errors
    /// As [`Interpreter::run`].
    #[doc(hidden)]
    pub fn run_steps(
        &mut self,
        steps: u64,
        weights: &mut InterpreterWeights<F>,
        rule: impl Fn(u64) -> StepEntry + Sync,
    ) -> Result<()> {
        self.run_due(steps, weights, &rule)
    }

    /// As [`Interpreter::run_steps`], for any rule.
    pub(crate) fn run_due(
        &mut self,
        steps: u64,
        weights: &mut InterpreterWeights<F>,
        rule: &(impl StepRule + Sync + ?Sized),
    ) -> Result<()> {
        let params = self.program.params().iter().map(|param| param.shape.len() as u64 * 4);
        let is_large = self.program.bytes() + params.sum::<u64>() >= LARGE;
        let mut run = || (0..steps).try_for_each(|_| self.run(weights, &self.due(rule)));
        if is_large { threads::in_pool(run) } else { run() }
    }

    /// Runs the first `ops` ops once, to compare an engine with the reference op by op.
    ///
    /// # Errors
    /// As [`Interpreter::run`].
    #[doc(hidden)]
    pub fn run_until(
        &mut self,
        ops: usize,
        weights: &mut InterpreterWeights<F>,
        entry: &StepEntry,
    ) -> Result<()> {
        self.run_ops(0..ops, weights, entry)
    }

    /// Runs a range of ops once, on the results of the earlier ones.
    ///
    /// # Errors
    /// As [`Interpreter::run`].
    pub(crate) fn run_ops(
        &mut self,
        ops: Range<usize>,
        weights: &mut InterpreterWeights<F>,
        entry: &StepEntry,
    ) -> Result<()> {
        entry.check()?;
        weights.check(&self.program)?;
        // The program is moved out during the run, so that ops can borrow the memory.
        let program = std::mem::replace(&mut self.program, Program::new("", Vec::new()));
        let Self { values, indices, progress, .. } = self;
        let mut memory = Memory { program: &program, entry, values, indices, weights, progress };
        let mut run = program.ops().iter().take(ops.end).skip(ops.start);
        let walk = run.try_for_each(|op| op.run(&mut memory));
        self.program = program;
        walk
    }

    /// Takes the values recorded since the last call, one row per step.
    #[doc(hidden)]
    pub fn take_records(&mut self) -> Vec<Vec<f32>> {
        std::mem::take(&mut self.progress.records)
    }
}

fn write<T: Copy>(info: &SlotInfo, place: Option<&mut Vec<T>>, data: &[T]) -> Result<()> {
    let place = place.and_then(|place| place.get_mut(..data.len()));
    place.ok_or_else(|| wrong_len(info, data.len()))?.copy_from_slice(data);
    Ok(())
}

fn wrong_len(info: &SlotInfo, len: usize) -> Error {
    let message = format!("{len} values for '{}' of shape {}", info.name, info.shape);
    Error::shape("write", message)
}
