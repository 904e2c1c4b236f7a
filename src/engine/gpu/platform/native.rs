//! The native part of what differs between platforms: error scopes answer at once, and a call can wait for the device.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, OnceLock};

use futures::FutureExt;
use wgpu::naga::{AddressSpace, front::wgsl, proc::GlobalCtx};

use super::Gpu;
use super::kernel::Kernel;
use super::readback::TIMEOUT;
use super::scope::Answers;
use crate::error::{Error, Result};

/// The remedy where there is no adapter.
pub(super) const HELP: &str = "on Debian and Ubuntu a software one comes with \
     `apt-get install mesa-vulkan-drivers libvulkan1`";

/// True if adapters have names before a device is opened on them.
pub(super) const NAMED: bool = true;

/// The description of a device's adapter.
pub(super) fn info_of(device: &wgpu::Device) -> wgpu::AdapterInfo {
    device.adapter_info()
}

/// Does nothing: the handler of a borrowed device is its host's.
pub(super) fn note_loss_of_borrowed(_: &wgpu::Device, _: &Arc<OnceLock<String>>) {}

/// Opens a device to lower programs on: one that computes nothing.
pub(super) async fn sketch_device() -> Result<(wgpu::Device, wgpu::Queue)> {
    noop_device(wgpu::DeviceType::Other, &wgpu::Limits::default()).await
}

/// A device that holds memory and computes nothing.
pub(crate) fn noop_gpu(class: wgpu::DeviceType, limits: &wgpu::Limits) -> Result<Gpu> {
    let (device, queue) = pollster::block_on(noop_device(class, limits))?;
    Ok(Gpu::from_wgpu(&device, &queue))
}

async fn noop_device(
    class: wgpu::DeviceType,
    limits: &wgpu::Limits,
) -> Result<(wgpu::Device, wgpu::Queue)> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::NOOP;
    descriptor.backend_options.noop =
        wgpu::NoopBackendOptions { enable: true, device_type: Some(class), ..Default::default() };
    let failed = |message: String| Error::Internal(format!("the no-op device: {message}"));
    let options = wgpu::RequestAdapterOptions::default();
    let adapter = wgpu::Instance::new(descriptor).request_adapter(&options).await;
    let adapter = adapter.map_err(|error| failed(error.to_string()))?;
    let required_limits = limits.clone();
    let descriptor = wgpu::DeviceDescriptor { required_limits, ..Default::default() };
    adapter.request_device(&descriptor).await.map_err(|error| failed(error.to_string()))
}

/// Waits for what [`Gpu::wait`] has waited for already.
pub(super) async fn in_time<T>(_: &str, answer: impl Future<Output = T>) -> Result<T> {
    Ok(answer.await)
}

/// The workgroup memory of a kernel in bytes, each variable rounded up to 16 as WebGPU counts it; 0 if its source is
/// invalid.
pub(super) fn workgroup_bytes(kernel: &Kernel) -> u64 {
    let Ok(module) = wgsl::parse_str(&kernel.source()) else { return 0 };
    let context: GlobalCtx<'_> = module.to_ctx();
    let shared =
        module.global_variables.iter().filter(|(_, own)| own.space == AddressSpace::WorkGroup);
    let bytes = shared.map(|(_, own)| module.types[own.ty].inner.size(context));
    bytes.map(|bytes| u64::from(bytes).next_multiple_of(16)).sum()
}

/// Is pending once, so that the executor can do something else.
pub(super) async fn yielded() {
    let mut polled = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut polled, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

impl Gpu {
    /// Returns whether the device still creates anything: a buffer of a lost one raises no error, but has no memory.
    pub(super) fn is_alive(&self) -> bool {
        let size = 4;
        let descriptor = wgpu::BufferDescriptor {
            label: Some("wgrad probe"),
            size,
            usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        };
        self.limits().max_buffer_size < size
            || self.device().create_buffer(&descriptor).get_mapped_range_mut(..).is_ok()
    }

    /// The error of a call, from the answers of its scopes.
    pub(super) fn answered(
        &self,
        what: &str,
        answers: impl Answers,
        explain: impl FnOnce(&Self, String) -> Error + 'static,
    ) -> Result<()> {
        match answers.now_or_never().flatten() {
            Some(error) => Err(self.raised(what, error, explain)),
            None => Ok(()),
        }
    }

    /// The error of an earlier call whose scopes answered late: there is none.
    pub(super) fn late(&self) -> Result<()> {
        Ok(())
    }

    /// As [`Gpu::late`], after all answers have come.
    pub(super) async fn settle(&self) -> Result<()> {
        Ok(())
    }

    /// Waits for a submission.
    pub(super) async fn reached(&self, what: &str, index: wgpu::SubmissionIndex) -> Result<()> {
        self.wait(what, Some(index))
    }

    /// Waits for everything submitted so far.
    pub(super) async fn finished(&self, what: &str) -> Result<()> {
        self.wait(what, None)
    }

    /// Waits for a submission, or for everything submitted so far.
    pub(super) fn wait(
        &self,
        what: &str,
        submission_index: Option<wgpu::SubmissionIndex>,
    ) -> Result<()> {
        let wait = wgpu::PollType::Wait { submission_index, timeout: Some(TIMEOUT) };
        // wgpu panics if the driver fails during the wait.
        let polled = catch_unwind(AssertUnwindSafe(|| self.device().poll(wait)));
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(wgpu::PollError::Timeout)) => Err(Error::timeout(what, TIMEOUT)),
            // A lost device has discarded the submission.
            Ok(Err(error)) => Err(self.note_lost(error.to_string())),
            // Any other panic comes from a callback of the host.
            Err(payload) if self.is_alive() => resume_unwind(payload),
            Err(_) => Err(self.note_lost(format!("the driver gave up (waiting for {what})"))),
        }
    }
}
