//! Selecting an adapter and opening an own device on it.

use std::sync::Arc;

use super::{Gpu, GpuState, note_loss, platform};
use crate::error::{Error, Result};

/// Returns whether an adapter's name or driver contains `name`, ignoring case.
pub(super) fn called(info: &wgpu::AdapterInfo, name: &str) -> bool {
    let text = format!("{} {} {}", info.name, info.driver, info.driver_info).to_lowercase();
    text.contains(&name.to_lowercase())
}

/// The order of preference: discrete, integrated, virtual, other, software.
fn rank(info: &wgpu::AdapterInfo) -> u8 {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// The adapter as a text: name, backend, and the driver where it is known.
pub(super) fn described(info: &wgpu::AdapterInfo) -> String {
    let backend = info.backend.to_string();
    let driver = format!("{} {}", info.driver, info.driver_info);
    let parts = [backend.as_str(), driver.trim()].into_iter().filter(|part| !part.is_empty());
    format!("{} ({})", info.name, parts.collect::<Vec<_>>().join(", "))
}

pub(super) async fn open(
    fits: impl Fn(&wgpu::AdapterInfo) -> bool,
    wanted: &str,
    limits: Option<wgpu::Limits>,
) -> Result<Gpu> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = instance.enumerate_adapters(wgpu::Backends::all()).await;
    let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
    let may_fit = |info: &wgpu::AdapterInfo| !platform::NAMED || fits(info);
    let fitting = adapters.into_iter().filter(|adapter| may_fit(&adapter.get_info()));
    let Some(adapter) = fitting.min_by_key(|adapter| rank(&adapter.get_info())) else {
        return Err(missing(wanted, &names));
    };
    let info = adapter.get_info();
    let descriptor = wgpu::DeviceDescriptor {
        label: Some("wgrad device"),
        required_features: adapter.features() & Gpu::recommended_features(),
        required_limits: limits.unwrap_or_else(|| adapter.limits()),
        memory_hints: wgpu::MemoryHints::Performance,
        ..Default::default()
    };
    let refused =
        |error: wgpu::RequestDeviceError| Error::NoAdapter(format!("{}: {error}", info.name));
    let (device, queue) = adapter.request_device(&descriptor).await.map_err(refused)?;
    let lost = Arc::default();
    note_loss(&device, &lost);
    let gpu = Gpu::wrap(GpuState::new(&device, &queue, lost));
    match fits(gpu.info()) {
        true => Ok(gpu),
        false => Err(missing(wanted, &[gpu.info().name.clone()])),
    }
}

/// The error if no adapter is as wanted.
fn missing(wanted: &str, names: &[String]) -> Error {
    let found =
        if names.is_empty() { "there is none".to_string() } else { format!("there are {names:?}") };
    let asked =
        if wanted.is_empty() { String::new() } else { format!("'{wanted}' was asked for; ") };
    Error::NoAdapter(format!("{asked}{found}; {}", platform::HELP))
}

#[cfg(test)]
mod tests {
    use super::described;

    #[test]
    fn an_adapter_without_a_driver_is_described_without_gaps() {
        let info = wgpu::AdapterInfo::new(wgpu::DeviceType::Other, wgpu::Backend::BrowserWebGpu);
        let info = wgpu::AdapterInfo { name: "acme gpu".into(), ..info };
        assert_eq!(described(&info), "acme gpu (webgpu)");
        let driver_info = "1.2".into();
        let info = wgpu::AdapterInfo { driver: "acme".into(), driver_info, ..info };
        assert_eq!(described(&info), "acme gpu (webgpu, acme 1.2)");
    }
}
