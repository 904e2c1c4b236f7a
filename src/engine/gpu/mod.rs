//! The GPU engine: an adapter of our own or the host application's device, and programs lowered to dispatches on it.

mod adapter;
pub(crate) mod arena;
mod budget;
mod choice;
mod eager;
pub(crate) mod function;
mod identity;
pub mod kernel;
pub(crate) mod lower;
pub(crate) mod memory;
mod pipelines;
mod plan;
#[cfg_attr(target_family = "wasm", path = "platform/web.rs")]
#[cfg_attr(not(target_family = "wasm"), path = "platform/native.rs")]
mod platform;
mod pool;
mod readback;
pub(crate) mod requirements;
mod scope;
mod snapshot;
mod staging;
mod steps;
mod texture;
mod tuning;
mod update;

pub use arena::PlanWeights;
pub use budget::Budget;
pub use choice::{Choices, Class, Fusion, MatMul};
pub(crate) use identity::DeviceId;
pub use memory::{Region, View};
pub use plan::{ColdKernel, ColdStart, Dispatch, MemoryUse, Plan, Profile, ProfileRow};
use pool::Pool;
pub(crate) use pool::TensorMemory;
pub(crate) use readback::Readback;
pub(crate) use snapshot::{Snapshots, WeightsAt};
pub use texture::{TextureCopy, sources as texture_kernels};
pub use tuning::Tuning;
pub(crate) use update::UpdatePlan;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::error::{Error, Result};
use crate::trace::span;
use eager::EagerOps;
use kernel::{Kernel, Pipeline};
use pipelines::Recent;

/// A WebGPU device to compute on: one of our own ([`Gpu::new`]) or the host application's ([`Gpu::from_wgpu`]).
///
/// Cheap to clone; clones, also those with other [choices](Gpu::choosing), are the same device and share pipelines.
#[derive(Clone)]
pub struct Gpu {
    shared: Arc<GpuState>,
    choices: Choices,
    tuning: Arc<Tuning>,
}

/// The texts of a kernel, and whether all checks stay.
type PipelineKey = (Vec<kernel::Text>, bool);

/// The most pipelines that are kept of kernels that suit any size: more than one device has.
const MOST_KEPT: usize = 1024;
/// The most that are kept of whole steps: each step of other sizes has its own, of some MiB, without limit.
const MOST_OF_STEPS: usize = 32;

struct GpuState {
    id: DeviceId,
    device: wgpu::Device,
    queue: wgpu::Queue,
    info: wgpu::AdapterInfo,
    limits: wgpu::Limits,
    /// By the texts they are made of, those of any size and those of whole steps: two ops of the caller's own may have one
    /// name.
    pipelines: [Mutex<Recent<PipelineKey, Pipeline>>; 2],
    /// The memory of tensors that are gone.
    pool: Arc<Pool>,
    /// Ops over memory of tensors that were run before.
    eager: EagerOps,
    /// Buffers that read-backs are done with.
    readbacks: Arc<Pool>,
    /// The host's, if it gave one.
    cache: Option<wgpu::PipelineCache>,
    /// Set by the device-lost callback of a device of our own, by the host, or when a read-back fails.
    lost: Arc<OnceLock<String>>,
    /// The answers of error scopes still to come.
    #[cfg(target_family = "wasm")]
    pending: platform::Pending,
    /// Set if programs are only lowered on it: it says what memory they need and makes none.
    sketch: bool,
}

impl GpuState {
    fn new(device: &wgpu::Device, queue: &wgpu::Queue, lost: Arc<OnceLock<String>>) -> Self {
        Self {
            id: DeviceId::next(),
            device: device.clone(),
            queue: queue.clone(),
            info: platform::info_of(device),
            limits: device.limits(),
            pipelines: [MOST_KEPT, MOST_OF_STEPS].map(Recent::new).map(Mutex::new),
            pool: Arc::new(Pool::new(pool::MOST_OF_TENSORS)),
            eager: EagerOps::default(),
            readbacks: Arc::new(Pool::new(readback::MOST_KEPT)),
            cache: None,
            lost,
            #[cfg(target_family = "wasm")]
            pending: platform::Pending::default(),
            sketch: false,
        }
    }
}

/// Notes the loss of a device when it comes.
fn note_loss(device: &wgpu::Device, lost: &Arc<OnceLock<String>>) {
    let note = lost.clone();
    device.set_device_lost_callback(move |reason, message| {
        note.get_or_init(|| format!("{reason:?} {message}").trim().to_string());
    });
}

impl fmt::Debug for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wgpu::AdapterInfo { name, backend, .. } = &self.shared.info;
        write!(f, "Gpu({name}, {backend})")
    }
}

impl Gpu {
    /// Opens the best adapter: hardware if there is any, else software; see [`Gpu::request`].
    ///
    /// # Errors
    /// As [`Gpu::request`].
    #[cfg(not(target_family = "wasm"))]
    pub fn new() -> Result<Self> {
        pollster::block_on(Self::request())
    }

    /// Opens the best adapter: hardware if there is any, else software.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] says how to get one.
    pub async fn request() -> Result<Self> {
        Self::named("").await
    }

    /// Opens the best adapter whose name or driver contains `name`, whatever the case.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] lists the adapters there are.
    pub async fn named(name: &str) -> Result<Self> {
        adapter::open(|info| adapter::called(info, name), name, None).await
    }

    /// Opens the best adapter that is hardware.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none.
    pub async fn hardware() -> Result<Self> {
        adapter::open(|info| info.device_type != wgpu::DeviceType::Cpu, "hardware", None).await
    }

    /// Opens an adapter by name as [`Gpu::named`] does, with limits of your choice instead of the adapter's own.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none or it cannot meet the limits.
    #[doc(hidden)]
    pub async fn with_limits(name: &str, limits: wgpu::Limits) -> Result<Self> {
        adapter::open(|info| adapter::called(info, name), name, Some(limits)).await
    }

    /// Borrows the host application's device. Nothing is submitted, polled or waited for unless a call says so, and
    /// the host's error and device-lost handlers stay its own.
    ///
    /// Each call makes a device of its own, also over the same [`wgpu::Device`]: tensors, weights and steps of one are not
    /// those of another, so keep the `Gpu` and clone it. A [`View`] over a buffer of the host's names no device; that it
    /// lies on this one is for the host to see to.
    pub fn from_wgpu(device: &wgpu::Device, queue: &wgpu::Queue) -> Self {
        Self::borrow(device, queue, None)
    }

    /// As [`Gpu::from_wgpu`], with the host's pipeline cache, which pipelines are then taken from and added to. It is the
    /// host that loads, saves and validates it; see [`wgpu::PipelineCache`].
    ///
    /// # Errors
    /// [`Error::Unsupported`] unless the device was created with `Features::PIPELINE_CACHE`.
    pub fn from_wgpu_with_cache(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        cache: &wgpu::PipelineCache,
    ) -> Result<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            let message = "the device was created without Features::PIPELINE_CACHE";
            return Err(Error::unsupported("from_wgpu_with_cache", message));
        }
        Ok(Self::borrow(device, queue, Some(cache.clone())))
    }

    fn borrow(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        cache: Option<wgpu::PipelineCache>,
    ) -> Self {
        let lost = Arc::default();
        platform::note_loss_of_borrowed(device, &lost);
        Self::wrap(GpuState { cache, ..GpuState::new(device, queue, lost) })
    }

    /// A device of this class and these limits to lower programs on, which makes no memory for them.
    fn sketch(
        (device, queue): (&wgpu::Device, &wgpu::Queue),
        class: wgpu::DeviceType,
        limits: wgpu::Limits,
    ) -> Self {
        let state = GpuState::new(device, queue, Arc::default());
        let info = wgpu::AdapterInfo { device_type: class, ..state.info.clone() };
        Self::wrap(GpuState { sketch: true, info, limits, ..state })
    }

    fn wrap(shared: GpuState) -> Self {
        let choices = Choices::of(&shared.info, shared.device.features());
        Self { shared: Arc::new(shared), choices, tuning: Arc::default() }
    }

    /// The same device for plans of other kernels than those that suit its adapter.
    pub fn choosing(&self, choices: Choices) -> Self {
        Self { choices, ..self.clone() }
    }

    /// The kernels that plans on this device are made of.
    pub fn choices(&self) -> Choices {
        self.choices
    }

    /// Returns whether programs are lowered for the other as for this one: it is the same device, with the same choices.
    pub(crate) fn lowers_as(&self, other: &Self) -> bool {
        (self.id(), self.choices, &self.tuning) == (other.id(), other.choices, &other.tuning)
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.shared.device
    }

    /// The queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.shared.queue
    }

    /// The description of the adapter.
    pub fn info(&self) -> &wgpu::AdapterInfo {
        &self.shared.info
    }

    /// The device's limits.
    pub(crate) fn limits(&self) -> &wgpu::Limits {
        &self.shared.limits
    }

    /// Returns whether the adapter runs on the CPU, as llvmpipe and SwiftShader do.
    #[doc(hidden)]
    pub fn is_software(&self) -> bool {
        self.info().device_type == wgpu::DeviceType::Cpu
    }

    /// Fails if the device is known to be lost, or raised an error during an earlier call that it tells of only now.
    fn check_alive(&self) -> Result<()> {
        match self.shared.lost.get() {
            Some(reason) => Err(Error::DeviceLost(reason.clone())),
            None => self.late(),
        }
    }

    /// Says that the device is gone, for a host whose own device-lost handler heard of it; every call fails from then on.
    /// A loss that nobody tells of is noticed by the next call that makes, submits or reads something; what only records
    /// notices it once such a recording was submitted.
    pub fn set_lost(&self, reason: &str) {
        let _ = self.note_lost(reason.to_string());
    }

    fn note_lost(&self, reason: String) -> Error {
        Error::DeviceLost(self.shared.lost.get_or_init(|| reason).clone())
    }

    /// The pipelines that a kernel's is kept with.
    fn pipelines(&self, kernel: &Kernel) -> MutexGuard<'_, Recent<PipelineKey, Pipeline>> {
        let [kept, of_steps] = &self.shared.pipelines;
        let pipelines = if kernel.is_of_a_step() { of_steps } else { kept };
        pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The pipeline of a kernel, compiled on first use.
    fn pipeline(&self, kernel: &Kernel) -> Result<Arc<Pipeline>> {
        let checked = self.choices.checked;
        let key = (kernel.parts.clone(), checked);
        if let Some(pipeline) = self.pipelines(kernel).get(&key) {
            return Ok(pipeline);
        }
        let _span = span!("compile", kernel = kernel.label.as_str()).entered();
        self.check_kernel(kernel)?;
        let (rejected, own) = (key.clone(), kernel.clone());
        let explain = move |gpu: &Self, message| {
            gpu.pipelines(&own).remove(&rejected);
            gpu.rejection_error(&own, message)
        };
        let cache = self.shared.cache.as_ref();
        let pipeline = self.scoped_or(&kernel.label, explain, || {
            Pipeline::new(self.device(), kernel, checked, cache)
        })?;
        Ok(self.pipelines(kernel).insert(key, pipeline))
    }

    /// Frees the memory that is kept for later; returns whether there was any.
    fn free_kept_memory(&self) -> bool {
        let GpuState { pool, eager, readbacks, .. } = &*self.shared;
        [eager.clear(), pool.clear(), readbacks.clear()].contains(&true)
    }

    /// Records commands and submits them; what the device raises is an [`Error`].
    pub(crate) fn submit(
        &self,
        what: &str,
        record: impl FnOnce(&mut wgpu::CommandEncoder) -> Result<()>,
    ) -> Result<wgpu::SubmissionIndex> {
        let _span = span!("submit", what = what).entered();
        let label = format!("wgrad {what}");
        let descriptor = wgpu::CommandEncoderDescriptor { label: Some(&label) };
        self.scoped(what, || {
            let mut encoder = self.device().create_command_encoder(&descriptor);
            record(&mut encoder)?;
            Ok(self.queue().submit([encoder.finish()]))
        })?
    }
}

impl std::fmt::Display for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&adapter::described(self.info()))
    }
}
