//! The adapter that tests on raw wgpu run on: `WGRAD_DEVICE`, or any, hardware first.

use std::sync::OnceLock;

const HELP: &str = "install a software one with `apt-get install mesa-vulkan-drivers libvulkan1`, \
     or point VK_ICD_FILENAMES at another driver";

/// A device with default limits and no features, the least that the library must work on.
pub struct Adapter {
    /// Counts what is made of it.
    pub instance: wgpu::Instance,
    pub info: wgpu::AdapterInfo,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
}

/// The adapter of this test run, opened once. No adapter is a failure, never a skip.
pub fn adapter() -> &'static Adapter {
    static ADAPTER: OnceLock<Adapter> = OnceLock::new();
    ADAPTER.get_or_init(fresh)
}

/// The same adapter with a device that no other test shares.
pub fn fresh() -> Adapter {
    fresh_with(&descriptor())
}

/// The same adapter with a device of one's own making.
pub fn fresh_with(descriptor: &wgpu::DeviceDescriptor<'_>) -> Adapter {
    let wanted = std::env::var("WGRAD_DEVICE").unwrap_or_default();
    pollster::block_on(open(&wanted, descriptor)).unwrap_or_else(|problem| panic!("{problem}"))
}

/// The same, if the adapter can.
pub fn try_fresh_with(descriptor: &wgpu::DeviceDescriptor<'_>) -> Option<Adapter> {
    let wanted = std::env::var("WGRAD_DEVICE").unwrap_or_default();
    pollster::block_on(open(&wanted, descriptor)).ok()
}

/// An adapter of the given type with default limits that computes nothing, and its instance, which counts what is made
/// of it.
pub fn noop(
    device_type: wgpu::DeviceType,
    features: wgpu::Features,
) -> (wgpu::Instance, wgrad::embed::Gpu) {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::NOOP;
    descriptor.backend_options.noop = wgpu::NoopBackendOptions {
        enable: true,
        device_type: Some(device_type),
        ..Default::default()
    };
    let instance = wgpu::Instance::new(descriptor);
    let adapter = pollster::block_on(instance.request_adapter(&Default::default())).unwrap();
    let descriptor = wgpu::DeviceDescriptor { required_features: features, ..Default::default() };
    let (device, queue) = pollster::block_on(adapter.request_device(&descriptor)).unwrap();
    (instance, wgrad::embed::Gpu::from_wgpu(&device, &queue))
}

/// Default limits, no features.
pub fn descriptor() -> wgpu::DeviceDescriptor<'static> {
    wgpu::DeviceDescriptor {
        label: Some("wgrad tests"),
        required_limits: wgpu::Limits::default(),
        ..Default::default()
    }
}

async fn open(wanted: &str, descriptor: &wgpu::DeviceDescriptor<'_>) -> Result<Adapter, String> {
    let mut options = wgpu::InstanceDescriptor::new_without_display_handle();
    // What a browser would refuse is refused here, too, unless it is something of native devices that is asked for.
    let is_native = !(descriptor.required_features - wgpu::Features::all_webgpu_mask()).is_empty();
    options.flags.set(wgpu::InstanceFlags::STRICT_WEBGPU_COMPLIANCE, !is_native);
    let instance = wgpu::Instance::new(options);
    let mut found = instance.enumerate_adapters(wgpu::Backends::all()).await;
    found.sort_by_key(|adapter| preference(adapter.get_info().device_type));
    let names: Vec<String> = found.iter().map(|adapter| adapter.get_info().name).collect();
    let chosen = found
        .into_iter()
        .find(|adapter| matches(&adapter.get_info(), wanted))
        .ok_or_else(|| format!("no adapter for WGRAD_DEVICE={wanted:?} among {names:?}: {HELP}"))?;
    let info = chosen.get_info();
    println!("adapter: {} ({} {}, {})", info.name, info.driver, info.driver_info, info.backend);
    let (device, queue) = chosen
        .request_device(descriptor)
        .await
        .map_err(|error| format!("{}: {error}", info.name))?;
    Ok(Adapter { instance, info, device, queue })
}

fn preference(device_type: wgpu::DeviceType) -> u8 {
    match device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Cpu => 3,
        wgpu::DeviceType::Other => 4,
    }
}

fn matches(info: &wgpu::AdapterInfo, wanted: &str) -> bool {
    let name = format!("{} {} {}", info.name, info.driver, info.driver_info).to_lowercase();
    wanted.is_empty() || wanted == "gpu" || name.contains(&wanted.to_lowercase())
}
