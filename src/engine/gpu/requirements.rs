//! The device limits that a program requires, found by lowering it for a device that does not exist yet.

use super::arena::PlanWeights;
use super::kernel::Kernel;
use super::lower::{Job, Lowering, PlanMemory, fusion};
#[cfg(not(target_family = "wasm"))]
pub(crate) use super::platform::noop_gpu;
use super::platform::{sketch_device, workgroup_bytes, yielded};
use super::{Choices, Fusion, Gpu, Tuning};
use crate::error::{Error, Result};
use crate::ir::{Op, Program};
use crate::ops::UpdateOp;

/// The number of state values that a program may keep in addition to those of its optimizer.
const EXTRAS: usize = 2;

impl Gpu {
    /// The minimum limits of a device that can run `program`, for a host that is about to create one. Limits that the
    /// program does not need are at [`wgpu::Limits::downlevel_defaults`]; most programs fit [`wgpu::Limits::default`].
    ///
    /// Lowers the program once, without memory for its values.
    ///
    /// ```
    /// use wgrad::prelude::*;
    ///
    /// let network = Sequential::new(2).dense(64).activation(Activation::relu()).dense(3).build()?;
    /// let limits = Gpu::required_limits(&network.inference(256)?.program)?;
    /// assert!(limits.check_limits(&wgrad::wgpu::Limits::default()));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Limit`] if a tensor has more bytes than any device can bind.
    #[cfg(not(target_family = "wasm"))]
    pub fn required_limits(program: &Program) -> Result<wgpu::Limits> {
        pollster::block_on(Self::required_limits_async(program))
    }

    /// As [`Gpu::required_limits`], without blocking. In a browser this opens a device, on which nothing is computed.
    ///
    /// # Errors
    /// As [`Gpu::required_limits`]; [`Error::NoAdapter`] in a browser without one.
    pub async fn required_limits_async(program: &Program) -> Result<wgpu::Limits> {
        let (device, queue) = sketch_device().await?;
        let mut needed = wgpu::Limits::downlevel_defaults();
        let least = needed.max_storage_buffers_per_shader_stage;
        for class in CLASSES {
            let limits =
                wgpu::Limits { max_storage_buffers_per_shader_stage: least, ..Default::default() };
            let sketch = |limits| Self::sketch((&device, &queue), class, limits);
            for job in lower(program, sketch, limits, None)? {
                let kernel = &job.kernel;
                let raise = |limit: &mut u32, value: u64| {
                    *limit = (*limit).max(u32::try_from(value).unwrap_or(u32::MAX));
                };
                let buffers = kernel.storage_buffers();
                raise(&mut needed.max_storage_buffers_per_shader_stage, buffers);
                let bytes = job.bindings.iter().map(|region| region.bytes).max().unwrap_or(0);
                needed.max_storage_buffer_binding_size =
                    needed.max_storage_buffer_binding_size.max(bytes);
                needed.max_buffer_size = needed.max_buffer_size.max(bytes);
                // A grid is folded into two dimensions.
                let side = job.groups.isqrt() + 1;
                raise(&mut needed.max_compute_workgroups_per_dimension, side);
            }
        }
        Ok(needed)
    }

    /// The optional features that are used where a device has them; none is required. A host may request them with
    /// `adapter.features() & Gpu::recommended_features()`.
    pub fn recommended_features() -> wgpu::Features {
        wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::PIPELINE_CACHE
            | wgpu::Features::SUBGROUP
            | wgpu::Features::SUBGROUP_BARRIER
    }

    /// Compiles every kernel that plans of `program` need, so that building one later does not wait for compilation. Some
    /// drivers compile only at the first dispatch: see [`Plan::warm`](super::Plan::warm).
    ///
    /// # Errors
    /// As [`Gpu::compile`].
    #[cfg(not(target_family = "wasm"))]
    pub fn prewarm(&self, program: &Program) -> Result<()> {
        pollster::block_on(self.prewarm_async(program))
    }

    /// As [`Gpu::prewarm`], yielding to the executor before each kernel.
    ///
    /// # Errors
    /// As [`Gpu::compile`].
    pub async fn prewarm_async(&self, program: &Program) -> Result<()> {
        let device = (self.device(), self.queue());
        let sketch = |limits| Self::sketch(device, self.info().device_type, limits);
        // A step that is not fused runs op by op, whatever the device's choices are.
        let own = self.choices();
        let others = Some(Choices { fusion: Fusion::Never, ..own });
        for choices in [Some(own), others.filter(|others| *others != own)].into_iter().flatten() {
            let choices = Some((choices, self.tuning()));
            for job in lower(program, sketch, self.limits().clone(), choices)? {
                yielded().await;
                self.compile(&job.kernel)?;
            }
        }
        self.settle().await
    }

    /// Compiles a kernel.
    ///
    /// # Errors
    /// [`Error::Limit`] if the kernel binds more storage buffers than the device allows; [`Error::Unsupported`] if the
    /// device lacks one of [`Kernel::features`]; [`Error::Shader`] if the kernel is user-defined and invalid;
    /// [`Error::OutOfMemory`]; [`Error::Internal`] if the driver rejects it.
    #[doc(hidden)]
    pub fn compile(&self, kernel: &Kernel) -> Result<()> {
        self.pipeline(kernel).map(drop)
    }

    /// Fails if a kernel needs more than the device offers.
    pub(super) fn check_kernel(&self, kernel: &Kernel) -> Result<()> {
        let missing = kernel.features() - self.device().features();
        if !missing.is_empty() {
            let message = format!("the device was created without {missing:?}");
            return Err(Error::unsupported(&kernel.label, message));
        }
        let limits = self.limits();
        let buffers = (kernel.storage_buffers(), limits.max_storage_buffers_per_shader_stage);
        let uniforms = (kernel.uniform_buffers(), limits.max_uniform_buffers_per_shader_stage);
        let bytes = (kernel.uniform_words() as u64 * 4, limits.max_uniform_buffer_binding_size);
        let aligned = [
            limits.min_storage_buffer_offset_alignment,
            limits.min_uniform_buffer_offset_alignment,
        ];
        let what = || format!("the kernel {}", kernel.label);
        within(what, [(buffers.0, buffers.1, "storage buffers per shader stage")])?;
        within(what, [(uniforms.0, uniforms.1, "uniform buffers per shader stage")])?;
        within(what, [(bytes.0, bytes.1, "bytes of a uniform buffer")])?;
        within(
            what,
            aligned.map(|alignment| (beside(alignment), 0u32, "bytes off the alignment")),
        )?;
        within(what, compute_needs(limits, buffers.0 + uniforms.0, [kernel.workgroup, 1]))
    }

    /// The error for a kernel that the device rejected, with the exceeded limit if one is known.
    pub(super) fn rejection_error(&self, kernel: &Kernel, message: String) -> Error {
        let limits = self.limits();
        let (bytes, most) = (workgroup_bytes(kernel), limits.max_compute_workgroup_storage_size);
        let buffers = kernel.storage_buffers() + 1;
        // 0 where only the limits of a browser are known: then there is nothing to compare with.
        let native = match limits.max_buffers_and_acceleration_structures_per_shader_stage {
            0 => u32::MAX,
            native => native,
        };
        let needs = [
            (bytes, most, "bytes of workgroup memory"),
            (buffers, native, "buffers per shader stage"),
        ];
        match within(|| format!("the kernel {}", kernel.label), needs) {
            Err(limit) => limit,
            Ok(()) if kernel.is_foreign() => Error::Shader { op: kernel.label.clone(), message },
            Ok(()) => Error::Internal(message),
        }
    }
}

/// The amount needed, the limit, and the unit of both.
pub(super) type Need<L> = (u64, L, &'static str);

/// Fails with the first need that exceeds its limit.
pub(super) fn within<L: Into<u64>>(
    what: impl Fn() -> String,
    needs: impl IntoIterator<Item = Need<L>>,
) -> Result<()> {
    for (needed, limit, unit) in needs {
        let limit = limit.into();
        if needed > limit {
            return Err(Error::Limit { what: what(), needed, limit, unit });
        }
    }
    Ok(())
}

/// The remainder of 256 bytes, the alignment of every offset, by the device's alignment.
fn beside(alignment: u32) -> u64 {
    256u32.checked_rem(alignment).unwrap_or(0).into()
}

/// The needs of a compute pipeline with one bind group and the given workgroup size.
pub(super) fn compute_needs(
    limits: &wgpu::Limits,
    bindings: u64,
    sides: [u32; 2],
) -> [Need<u32>; 6] {
    let [x, y] = sides.map(u64::from);
    let threads = limits.max_compute_invocations_per_workgroup;
    [
        (1, limits.max_bind_groups, "bind groups"),
        (bindings, limits.max_bindings_per_bind_group, "bindings per bind group"),
        (x * y, threads, "invocations per workgroup"),
        (x, limits.max_compute_workgroup_size_x, "invocations per workgroup along x"),
        (y, limits.max_compute_workgroup_size_y, "invocations per workgroup along y"),
        (1, limits.max_compute_workgroup_size_z, "invocations per workgroup along z"),
    ]
}

/// The adapter classes between which kernels differ.
pub(crate) const CLASSES: [wgpu::DeviceType; 3] =
    [wgpu::DeviceType::DiscreteGpu, wgpu::DeviceType::IntegratedGpu, wgpu::DeviceType::Cpu];

/// Lowers a program on a sketch of a device of these limits, or of larger bindings where a tensor needs them; a kernel
/// without a smaller variant binds more storage buffers.
fn lower(
    program: &Program,
    sketch: impl Fn(wgpu::Limits) -> Gpu,
    mut limits: wgpu::Limits,
    choices: Option<(Choices, &Tuning)>,
) -> Result<Vec<Job>> {
    loop {
        let gpu = sketch(limits.clone());
        // The minimum limits are those of op-by-op execution: fused steps bind more.
        let gpu = match choices {
            Some((choices, tuning)) => gpu.choosing(choices).tuned(tuning.clone()),
            None => gpu.choosing(Choices { fusion: Fusion::Never, ..gpu.choices() }),
        };
        match lower_on(&gpu, program) {
            Err(Error::Limit { needed, limit, unit: "bytes", .. })
                if limit >= limits.max_storage_buffer_binding_size
                    && needed <= u64::from(u32::MAX) =>
            {
                let needed = needed.next_multiple_of(256);
                limits.max_storage_buffer_binding_size = needed;
                limits.max_buffer_size = limits.max_buffer_size.max(needed);
            }
            outcome => return outcome,
        }
    }
}

fn lower_on(gpu: &Gpu, program: &Program) -> Result<Vec<Job>> {
    let optimizer = program.ops().iter().find_map(|op| match op {
        Op::Update(UpdateOp::Update { optimizer, .. }) => Some(optimizer),
        _ => None,
    });
    let weights = PlanWeights::new(gpu, program.params(), optimizer, EXTRAS)?;
    weights.check(gpu, program)?;
    let steps = gpu.storage("step table", 64, &[])?;
    let fused = fusion::prepare(gpu, program, Some(&weights), &[])?;
    let memory = PlanMemory::new(gpu, program, steps, &[], &fused)?;
    let mut lowering = Lowering::new(gpu, program, Some(&weights), memory);
    lowering.lower(&fused)?;
    Ok(lowering.jobs)
}

/// The number of dispatches of a program on a no-op device.
#[cfg(all(test, not(target_family = "wasm")))]
pub(crate) fn dispatches(gpu: &Gpu, program: &Program) -> Result<usize> {
    Ok(lower_on(gpu, program)?.len())
}
