//! Eager ops that were lowered before: over the same memory they are dispatched again without a new plan.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::plan::{List, Plan, record};
use super::{Choices, Gpu, Tuning, View};
use crate::error::Result;
use crate::ir::{Program, Slot};
use crate::recent_use::RecentlyUsed;

/// The most ops that are kept.
const MOST: usize = 128;

/// The most bytes of memory that they are bound to, memory of several counted for each.
const MOST_BYTES: u64 = 64 << 20;

/// The ops of a device that are kept.
#[derive(Debug)]
pub(super) struct EagerOps(Mutex<RecentlyUsed<EagerOp>>);

impl Default for EagerOps {
    fn default() -> Self {
        Self(Mutex::new(RecentlyUsed::new(MOST, MOST_BYTES, |op| op.bytes)))
    }
}

/// A lowered program over memory of tensors. It does not hold its device, which holds it.
#[derive(Debug)]
pub(super) struct EagerOp {
    program: Program,
    choices: Choices,
    tuning: Arc<Tuning>,
    inputs: Vec<(Slot, View)>,
    outputs: Vec<(Slot, View)>,
    list: List,
    bytes: u64,
}

impl EagerOp {
    /// Returns whether the program would be lowered to this op, given memory for its outputs.
    fn is_of(
        &self,
        gpu: &Gpu,
        program: &Program,
        inputs: &[(Slot, View)],
        outputs: &[Slot],
    ) -> bool {
        self.inputs == inputs
            && self.outputs.iter().map(|(slot, _)| slot).eq(outputs)
            && self.choices == gpu.choices
            && self.program == *program
            && self.tuning == gpu.tuning
    }
}

impl EagerOps {
    /// Forgets all ops; returns whether there were any.
    pub(super) fn clear(&self) -> bool {
        let mut ops = self.lock();
        let had_any = ops.len() > 0;
        ops.clear();
        had_any
    }

    fn lock(&self) -> MutexGuard<'_, RecentlyUsed<EagerOp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gpu {
    /// Runs a program over the memory that it was run over before, if it was and if that of its outputs is free now;
    /// returns these.
    pub(crate) fn run_again(
        &self,
        program: &Program,
        inputs: &[(Slot, View)],
        outputs: &[Slot],
    ) -> Result<Option<Vec<(Slot, View)>>> {
        let pool = &self.shared.pool;
        let is_free = |op: &EagerOp| {
            op.is_of(self, program, inputs, outputs)
                && pool.take_all(op.outputs.iter().map(|(_, view)| &view.region.buffer))
        };
        let Some(op) = self.shared.eager.lock().take(is_free) else { return Ok(None) };
        self.submit("op", |encoder| {
            record(encoder, op.list.dispatches.iter(), None);
            Ok(())
        })?;
        let outputs = op.outputs.clone();
        self.shared.eager.lock().give(op);
        Ok(Some(outputs))
    }

    /// Keeps a plan without weights that was run over `inputs` and wrote all of `outputs`, memory of the device's pool.
    pub(crate) fn keep_op(
        &self,
        plan: Plan,
        inputs: Vec<(Slot, View)>,
        outputs: Vec<(Slot, View)>,
    ) {
        let views = inputs.iter().chain(&outputs).map(|(_, view)| view.region.bytes);
        let bytes = plan.own_bytes() + views.sum::<u64>();
        let (program, list) = plan.into_parts();
        let (choices, tuning) = (self.choices, self.tuning.clone());
        self.shared.eager.lock().give(EagerOp {
            program,
            choices,
            tuning,
            inputs,
            outputs,
            list,
            bytes,
        });
    }
}

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use super::{MOST, MOST_BYTES};
    use crate::device::Device;
    use crate::engine::gpu::requirements::noop_gpu;
    use crate::spec::Activation;

    fn kept(gpu: &super::Gpu) -> (usize, u64) {
        let ops = gpu.shared.eager.lock();
        (ops.len(), ops.bytes())
    }

    #[test]
    fn an_op_over_the_same_memory_is_lowered_once_and_few_ops_are_kept() {
        let gpu = noop_gpu(wgpu::DeviceType::Cpu, &wgpu::Limits::default()).unwrap();
        let device = Device::from(gpu.clone());
        let x = device.tensor(&ndarray::Array1::<f32>::zeros(100)).unwrap();
        for _ in 0..5 {
            device.activation(Activation::relu(), &x).unwrap();
            assert_eq!(kept(&gpu).0, 1);
        }
        let first = device.activation(Activation::relu(), &x).unwrap();
        let second = device.activation(Activation::relu(), &x).unwrap();
        assert!(!first.shares_memory(&second));
        assert_eq!(kept(&gpu).0, 2);
        for len in 1..2 * MOST {
            let x = device.tensor(&ndarray::Array1::<f32>::zeros(len)).unwrap();
            device.activation(Activation::relu(), &x).unwrap();
            assert!(kept(&gpu).0 <= MOST);
        }
        let large = device.tensor(&ndarray::Array1::<f32>::zeros(5 << 20)).unwrap();
        for f in [Activation::relu(), Activation::tanh()] {
            device.activation(f, &large).unwrap();
            assert!(kept(&gpu).1 <= MOST_BYTES);
        }
        assert!(gpu.free_kept_memory() && kept(&gpu).0 == 0);
    }
}
