//! The device limits that a program requires, found by lowering it on a no-op device, so before a real one exists.

use futures::FutureExt;

use super::arena::PlanWeights;
use super::kernel::Kernel;
use super::lower::{Job, Lowering, PlanMemory, fusion};
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
    /// Lowers the program once in main memory, which temporarily takes twice the memory it will take on the device.
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
        let mut needed = wgpu::Limits::downlevel_defaults();
        let least = needed.max_storage_buffers_per_shader_stage;
        for class in CLASSES {
            let limits =
                wgpu::Limits { max_storage_buffers_per_shader_stage: least, ..Default::default() };
            for job in lower(program, class, limits, None)? {
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
        let class = self.info().device_type;
        // A step that is not fused runs op by op, whatever the device's choices are.
        let own = self.choices();
        let others = Some(Choices { fusion: Fusion::Never, ..own });
        for choices in [Some(own), others.filter(|others| *others != own)].into_iter().flatten() {
            let jobs =
                lower(program, class, self.limits().clone(), Some((choices, self.tuning())))?;
            jobs.iter().try_for_each(|job| self.compile(&job.kernel))?;
        }
        Ok(())
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
    pub(super) fn rejection_error(&self, kernel: &Kernel, error: Error) -> Error {
        let Error::Internal(message) = error else { return error };
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

/// The workgroup memory of a kernel in bytes, each variable rounded up to 16 as WebGPU counts it; 0 if its source is
/// invalid.
#[cfg(not(target_family = "wasm"))]
fn workgroup_bytes(kernel: &Kernel) -> u64 {
    use wgpu::naga::{AddressSpace, front::wgsl, proc::GlobalCtx};
    let Ok(module) = wgsl::parse_str(&kernel.source()) else { return 0 };
    let context: GlobalCtx<'_> = module.to_ctx();
    let shared =
        module.global_variables.iter().filter(|(_, own)| own.space == AddressSpace::WorkGroup);
    let bytes = shared.map(|(_, own)| module.types[own.ty].inner.size(context));
    bytes.map(|bytes| u64::from(bytes).next_multiple_of(16)).sum()
}

/// Always 0: in a browser a rejected kernel shows only when results are read back.
#[cfg(target_family = "wasm")]
fn workgroup_bytes(_: &Kernel) -> u64 {
    0
}

/// The adapter classes between which kernels differ.
#[cfg(not(target_family = "wasm"))]
pub(crate) const CLASSES: [wgpu::DeviceType; 3] =
    [wgpu::DeviceType::DiscreteGpu, wgpu::DeviceType::IntegratedGpu, wgpu::DeviceType::Cpu];

/// Lowers a program on a no-op device of these limits, or of larger bindings where a tensor needs them; a kernel without
/// a smaller variant binds more storage buffers.
#[cfg(not(target_family = "wasm"))]
fn lower(
    program: &Program,
    class: wgpu::DeviceType,
    mut limits: wgpu::Limits,
    choices: Option<(Choices, &Tuning)>,
) -> Result<Vec<Job>> {
    loop {
        let gpu = noop_gpu(class, &limits)?;
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

#[cfg(not(target_family = "wasm"))]
pub(crate) fn noop_gpu(class: wgpu::DeviceType, limits: &wgpu::Limits) -> Result<Gpu> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::NOOP;
    descriptor.backend_options.noop =
        wgpu::NoopBackendOptions { enable: true, device_type: Some(class), ..Default::default() };
    let opened = async {
        let options = wgpu::RequestAdapterOptions::default();
        let adapter = wgpu::Instance::new(descriptor).request_adapter(&options).await.ok()?;
        let device =
            wgpu::DeviceDescriptor { required_limits: limits.clone(), ..Default::default() };
        adapter.request_device(&device).await.ok()
    };
    let (device, queue) = opened
        .now_or_never()
        .flatten()
        .ok_or_else(|| Error::Internal("the no-op device could not be opened".into()))?;
    Ok(Gpu::from_wgpu(&device, &queue))
}

#[cfg(not(target_family = "wasm"))]
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
