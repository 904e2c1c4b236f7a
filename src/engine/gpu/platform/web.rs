//! The part of a browser in what differs between platforms: error scopes answer later, and nothing can block.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{Either, LocalBoxFuture, select};
use gloo_timers::future::TimeoutFuture;
use js_sys::Reflect;

use super::Gpu;
use super::kernel::Kernel;
use super::readback::TIMEOUT;
use super::scope::Answers;
use crate::error::{Error, Result};

/// The remedy where there is no adapter.
pub(super) const HELP: &str =
    "this browser has no WebGPU, or none for this page (it needs HTTPS or localhost)";

/// True if adapters have names before a device is opened on them.
pub(super) const NAMED: bool = false;

/// Makes the error of a call that has returned.
type LateError = Box<dyn FnOnce(&Gpu) -> Error>;

/// The answers of error scopes still to come, in the order of the calls.
#[derive(Default)]
pub(super) struct Pending(Mutex<VecDeque<LocalBoxFuture<'static, Option<LateError>>>>);

impl Pending {
    fn lock(&self) -> MutexGuard<'_, VecDeque<LocalBoxFuture<'static, Option<LateError>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the oldest answer if it has come.
    fn next(&self) -> Option<Option<LateError>> {
        let mut pending = self.lock();
        let answer = pending.front_mut()?.now_or_never()?;
        pending.pop_front();
        Some(answer)
    }
}

/// The description of a device's adapter. wgpu knows the text that browsers leave empty, not its vendor.
pub(super) fn info_of(device: &wgpu::Device) -> wgpu::AdapterInfo {
    let mut info = device.adapter_info();
    let own = device.as_webgpu().and_then(|own| Reflect::get(own, &"adapterInfo".into()).ok());
    let field = |name: &str| Reflect::get(own.as_ref()?, &name.into()).ok()?.as_string();
    let fields = ["vendor", "architecture"].into_iter().filter_map(field);
    let vendor = fields.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
    if vendor.contains("swiftshader") {
        info.device_type = wgpu::DeviceType::Cpu;
    }
    match (info.name.is_empty(), vendor.is_empty()) {
        (false, _) => info.driver = vendor,
        (true, false) => info.name = vendor,
        (true, true) => info.name = "unnamed adapter".to_string(),
    }
    info
}

/// Notes the loss of a borrowed device: in a browser this takes nothing from a handler of the host's.
pub(super) fn note_loss_of_borrowed(device: &wgpu::Device, lost: &Arc<OnceLock<String>>) {
    super::note_loss(device, lost);
}

/// Opens a device to lower programs on. What is created on it is tiny, and nothing is computed.
pub(super) async fn sketch_device() -> Result<(wgpu::Device, wgpu::Queue)> {
    let failed = |message: String| Error::NoAdapter(format!("{message}; {HELP}"));
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = instance.request_adapter(&wgpu::RequestAdapterOptions::default()).await;
    let adapter = adapter.map_err(|error| failed(error.to_string()))?;
    let device = adapter.request_device(&wgpu::DeviceDescriptor::default()).await;
    device.map_err(|error| failed(error.to_string()))
}

/// Fails if the answer takes too long.
pub(super) async fn in_time<T>(what: &str, answer: impl Future<Output = T>) -> Result<T> {
    let timer = TimeoutFuture::new(TIMEOUT.as_millis() as u32);
    match select(pin!(answer), timer).await {
        Either::Left((answer, _)) => Ok(answer),
        Either::Right(_) => Err(Error::timeout(what, TIMEOUT)),
    }
}

/// Lets the browser do something else, such as draw.
pub(super) async fn yielded() {
    TimeoutFuture::new(0).await;
}

/// Always 0: only the browser parses WGSL here.
pub(super) fn workgroup_bytes(_: &Kernel) -> u64 {
    0
}

impl Gpu {
    /// Returns whether no loss of the device has been noticed. Its notice comes by itself.
    pub(super) fn is_alive(&self) -> bool {
        self.shared.lost.get().is_none()
    }

    /// Keeps the answers of a call's scopes for the next call that can fail with them.
    pub(super) fn answered(
        &self,
        what: &str,
        answers: impl Answers,
        explain: impl FnOnce(&Self, String) -> Error + 'static,
    ) -> Result<()> {
        let what = what.to_string();
        let late = answers.map(move |error| {
            let error = error?;
            Some(Box::new(move |gpu: &Self| gpu.raised(&what, error, explain)) as LateError)
        });
        self.shared.pending.lock().push_back(late.boxed_local());
        Ok(())
    }

    /// The first error of earlier calls that was answered meanwhile. Those after it follow from it.
    pub(super) fn late(&self) -> Result<()> {
        let mut outcome = Ok(());
        while let Some(answer) = self.shared.pending.next() {
            outcome = outcome.and(answer.map_or(Ok(()), |error| Err(error(self))));
        }
        outcome
    }

    /// As [`Gpu::late`], after all answers have come.
    pub(super) async fn settle(&self) -> Result<()> {
        let all: Vec<_> = self.shared.pending.lock().drain(..).collect();
        let mut outcome = Ok(());
        for answer in in_time("error scopes", futures::future::join_all(all)).await? {
            outcome = outcome.and(answer.map_or(Ok(()), |error| Err(error(self))));
        }
        outcome
    }

    /// Waits for a submission, and whatever was submitted after it.
    pub(super) async fn reached(&self, what: &str, _: wgpu::SubmissionIndex) -> Result<()> {
        self.finished(what).await
    }

    /// Waits for everything submitted so far.
    pub(super) async fn finished(&self, what: &str) -> Result<()> {
        let (sender, receiver) = oneshot::channel();
        self.queue().on_submitted_work_done(move || {
            // The receiver is dropped only if the wait was cancelled.
            let _ = sender.send(());
        });
        // A callback that is dropped tells as much.
        let _ = in_time(what, receiver).await?;
        self.settle().await?;
        self.check_alive()
    }

    /// Does nothing: the browser's thread cannot block.
    pub(super) fn wait(&self, _: &str, _: Option<wgpu::SubmissionIndex>) -> Result<()> {
        Ok(())
    }
}
