//! Cold start: the kernels of a plan, and their first dispatch ahead of the first step.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Plan;
use crate::engine::gpu::kernel::{KernelSize, Pipeline};
use crate::engine::gpu::platform::yielded;
use crate::error::Result;

/// The kernels of a plan and the time until each of them runs; displayed as a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ColdStart {
    /// The kernels, each once, in the order of their first dispatch.
    pub kernels: Vec<ColdKernel>,
}

/// The cost of a kernel before its first dispatch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ColdKernel {
    /// The kernel's label.
    pub label: String,
    /// The size of its source.
    pub size: KernelSize,
    /// The time to create the pipeline.
    pub compile: Duration,
    /// The time of its first dispatch, in which some drivers compile; `None` unless [`Plan::warm`] measured it.
    pub first_dispatch: Option<Duration>,
}

impl fmt::Display for ColdStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ColdKernel { label, size, compile, first_dispatch } in &self.kernels {
            let KernelSize { bytes, registers, accesses } = size;
            let compile = compile.as_secs_f64() * 1e3;
            let first = first_dispatch
                .map_or("-".to_string(), |time| format!("{:.1}", time.as_secs_f64() * 1e3));
            writeln!(
                f,
                "  {label:<44} {bytes:>7} B {registers:>5} registers {accesses:>4} accesses \
                 {compile:>9.1} ms {first:>9} ms"
            )?;
        }
        Ok(())
    }
}

impl Plan {
    /// The WGSL of every kernel of the plan, each once, with its label.
    pub fn sources(&self) -> Vec<(String, String)> {
        let source =
            |pipeline: Arc<Pipeline>| (pipeline.kernel.label.clone(), pipeline.kernel.source());
        self.pipelines().into_iter().map(source).collect()
    }

    /// Reports the kernels of the plan and what they cost before the first step.
    pub fn cold(&self) -> ColdStart {
        let kernel = |pipeline: Arc<Pipeline>| ColdKernel {
            label: pipeline.kernel.label.clone(),
            size: pipeline.kernel.size(),
            compile: pipeline.compile,
            first_dispatch: pipeline.first_dispatch.get().copied(),
        };
        ColdStart { kernels: self.pipelines().into_iter().map(kernel).collect() }
    }

    /// Dispatches every kernel once, without any workgroup: nothing is computed, but drivers that compile at the first
    /// dispatch have done so. Submits and waits.
    ///
    /// ```
    /// use wgrad::ir::{Plan, StepEntry};
    /// use wgrad::prelude::*;
    ///
    /// # let Ok(gpu) = Gpu::new() else { return Ok(()) };
    /// let network = Sequential::new(2).dense(8).activation(Activation::relu()).dense(3).build()?;
    /// let weights = wgrad::ir::PlanWeights::new(&gpu, network.params(), None, 0)?;
    /// let program = network.inference(16)?.program;
    /// let plan = Plan::new(&gpu, program, Some(&weights), &[], 0, |_| StepEntry::rows(16))?;
    /// plan.warm()?;
    /// println!("{}", plan.cold());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// Any error that the device raises, such as [`Error::DeviceLost`](crate::Error::DeviceLost).
    #[cfg(not(target_family = "wasm"))]
    pub fn warm(&self) -> Result<()> {
        pollster::block_on(self.warm_async())
    }

    /// As [`Plan::warm`], yielding to the executor before each kernel, so that a host can spread them over frames.
    ///
    /// # Errors
    /// As [`Plan::warm`].
    pub async fn warm_async(&self) -> Result<()> {
        for pipeline in self.pipelines() {
            yielded().await;
            self.warm_one(&pipeline).await?;
        }
        Ok(())
    }

    /// The pipelines of the plan, each once.
    fn pipelines(&self) -> Vec<Arc<Pipeline>> {
        let mut all: Vec<Arc<Pipeline>> = Vec::new();
        for dispatch in self.dispatches() {
            let pipeline = dispatch.shared_pipeline();
            if !all.iter().any(|other| Arc::ptr_eq(other, pipeline)) {
                all.push(pipeline.clone());
            }
        }
        all
    }

    async fn warm_one(&self, pipeline: &Arc<Pipeline>) -> Result<()> {
        let own = |dispatch: &&super::Dispatch| Arc::ptr_eq(dispatch.shared_pipeline(), pipeline);
        let Some(dispatch) = self.dispatches().iter().find(own) else { return Ok(()) };
        let begin = crate::time::Instant::now();
        self.gpu.submit("warm", |encoder| {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(dispatch.pipeline());
            pass.set_bind_group(0, dispatch.bind_group(), &[]);
            pass.dispatch_workgroups(0, 1, 1);
            Ok(())
        })?;
        self.gpu.finished("warm").await?;
        // Another plan may have measured it.
        let _ = pipeline.first_dispatch.set(begin.elapsed());
        Ok(())
    }
}
