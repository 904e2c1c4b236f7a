//! The device memory of a plan.

use std::fmt;

use super::Plan;
use crate::engine::gpu::PlanWeights;
#[cfg(doc)]
use crate::ir::Op;

/// Bytes of device memory by purpose; displayed as a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    parts: Vec<(&'static str, u64)>,
}

impl MemoryUse {
    /// The parts by name, each with its bytes.
    pub fn parts(&self) -> &[(&'static str, u64)] {
        &self.parts
    }

    /// The bytes of a part; 0 if there is no such part.
    pub fn bytes(&self, part: &str) -> u64 {
        self.parts.iter().filter(|(name, _)| *name == part).map(|(_, bytes)| bytes).sum()
    }

    /// The sum of all parts in bytes.
    pub fn total(&self) -> u64 {
        self.parts.iter().map(|(_, bytes)| bytes).sum()
    }

    pub(crate) fn add(&mut self, part: &'static str, bytes: u64) {
        match self.parts.iter_mut().find(|(name, _)| *name == part) {
            Some((_, sum)) => *sum += bytes,
            None => self.parts.push((part, bytes)),
        }
    }
}

impl fmt::Display for MemoryUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = ("total", self.total());
        self.parts.iter().chain([&total]).try_for_each(|(name, bytes)| {
            let mib = *bytes as f64 / f64::from(1 << 20);
            writeln!(f, "{name:<20} {bytes:>14} B {mib:>10.3} MiB")
        })
    }
}

impl PlanWeights {
    /// The memory of parameters, gradients and optimizer state; parameters in a buffer of the host are not counted.
    #[doc(hidden)]
    pub fn memory(&self) -> MemoryUse {
        let mut used = MemoryUse::default();
        for segment in &self.segments {
            used.add("parameters", if self.hosted { 0 } else { segment.params.bytes });
            used.add("gradients", segment.grads.bytes);
            used.add("optimizer state", segment.states.iter().map(|state| state.bytes).sum());
            used.add("parameter settings", segment.blocks.bytes + segment.tensors.bytes);
        }
        used.add("optimizer state", self.carried.bytes);
        used
    }
}

impl Plan {
    /// The device memory that the plan and its weights take. Buffers of the host are not counted; weights count in
    /// every plan that uses them. Staging memory grows while more recordings are in flight.
    ///
    /// | part | contents |
    /// |---|---|
    /// | parameters, gradients, optimizer state | their arenas, each tensor padded to 64 elements |
    /// | parameter settings | multipliers and penalties by block |
    /// | values | inputs, activations, their gradients |
    /// | scratch | temporaries between the kernels of one op |
    /// | kernel parameters | uniforms |
    /// | step table | settings that vary by step, for 1024 steps |
    /// | figures | loss and metrics of the last 1024 steps ([`Program::record`](crate::Program::record)) |
    /// | staging | buffers for uploads and downloads |
    ///
    /// ```
    /// use wgrad::prelude::*;
    ///
    /// # let Ok(gpu) = Gpu::new() else { return Ok(()) };
    /// let model = Sequential::new(2).dense(64).activation(Activation::relu()).dense(3);
    /// let trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam()).on(&gpu.into())?;
    /// let step = trainer.into_step(256)?;
    /// let memory = step.plan().memory(); // `step.memory()` counts snapshots under way, too
    /// println!("{memory}");
    /// assert_eq!(memory.bytes("parameters"), step.network().param_bytes());
    /// assert!(memory.bytes("values") < memory.total());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn memory(&self) -> MemoryUse {
        let mut used = self.arenas.clone();
        let scratch: u64 = self.list.scratch.iter().map(|region| region.bytes).sum();
        let uniforms = self.list.uniforms.as_ref().map_or(0, |region| region.bytes);
        used.add("values", self.memory.values());
        used.add("scratch", scratch + self.memory.partial.bytes);
        used.add("kernel parameters", uniforms);
        used.add("step table", self.memory.steps.bytes);
        used.add("figures", self.memory.scalars.bytes + self.memory.ring.bytes);
        let step_budget = self.step_budget.as_ref().map_or(0, |step_budget| step_budget.bytes());
        used.add("staging", self.uploads.bytes() + self.steps.staging_bytes() + step_budget);
        used
    }
}
