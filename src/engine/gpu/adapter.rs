//! Selecting an adapter and opening an own device on it.

use std::sync::{Arc, OnceLock};

use super::Gpu;
use crate::error::{Error, Result};

const HELP: &str = "on Debian and Ubuntu a software one comes with \
     `apt-get install mesa-vulkan-drivers libvulkan1`";

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

pub(super) async fn open(
    fits: impl Fn(&wgpu::AdapterInfo) -> bool,
    wanted: &str,
    limits: Option<wgpu::Limits>,
) -> Result<Gpu> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = instance.enumerate_adapters(wgpu::Backends::all()).await;
    let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
    let fitting = adapters.into_iter().filter(|adapter| fits(&adapter.get_info()));
    let Some(adapter) = fitting.min_by_key(|adapter| rank(&adapter.get_info())) else {
        let found = if names.is_empty() {
            "there is none".to_string()
        } else {
            format!("there are {names:?}")
        };
        let asked =
            if wanted.is_empty() { String::new() } else { format!("'{wanted}' was asked for; ") };
        return Err(Error::NoAdapter(format!("{asked}{found}; {HELP}")));
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
    let lost = Arc::new(OnceLock::new());
    let note = lost.clone();
    device.set_device_lost_callback(move |reason, message| {
        note.get_or_init(|| format!("{reason:?} {message}").trim().to_string());
    });
    Ok(Gpu::wrap(device, queue, lost, None))
}
