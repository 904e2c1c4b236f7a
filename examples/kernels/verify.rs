//! Runs every case of a folder of exported kernels on plain wgpu, without the library, and compares what it computes.
//!
//! `WGPU_ADAPTER_NAME=llvmpipe cargo run --release --example verify_kernels -- target/wgrad/kernels`

use std::{collections::HashMap, error::Error, fs, sync::mpsc};

use pollster::FutureExt as _;
use serde_json::{Value, from_value};
use wgpu::{util::DownloadBuffer, *};

type Result = std::result::Result<(), Box<dyn Error>>;
type Kernels = HashMap<String, ComputePipeline>;
/// A kernel, the ranges that it binds (binding, buffer, offset, bytes), and its grid of workgroups.
type Dispatch = (String, Vec<(u32, usize, u64, u64)>, [u32; 2]);
/// A buffer and an offset in it, the words there, and their relative and absolute tolerance.
type Expected = (usize, u64, Vec<u32>, [f64; 2]);

fn main() -> Result {
    let folder = std::env::args().nth(1).ok_or("usage: verify_kernels FOLDER")?;
    let instance = Instance::new(InstanceDescriptor::new_without_display_handle());
    let adapter = util::initialize_adapter_from_env_or_default(&instance, None).block_on()?;
    let required_features = adapter.features() & (Features::SUBGROUP | Features::SUBGROUP_BARRIER);
    let descriptor = DeviceDescriptor { required_features, ..Default::default() };
    let (device, queue) = adapter.request_device(&descriptor).block_on()?;
    let (mut kernels, mut cases) = (Kernels::new(), Vec::new());
    for file in fs::read_dir(&folder)? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let mut kernel: Value = serde_json::from_slice(&fs::read(&path)?)?;
            let features: Vec<String> = from_value(kernel["features"].take())?;
            if features.iter().all(|name| format!("{:?}", device.features()).contains(name)) {
                let text = fs::read_to_string(path.with_extension("wgsl"))?;
                kernels.insert(from_value(kernel["kernel"].take())?, pipeline(&device, text));
                cases.extend(from_value::<Vec<Value>>(kernel["cases"].take())?);
            }
        }
    }
    let run = |case: &Value| run(&device, &queue, &kernels, case);
    let tell = |case: &Value, error: &_| println!("{}: {error}", case["name"]);
    let fails = |case: &&Value| run(case).inspect_err(|error| tell(case, error)).is_err();
    let failed = cases.iter().filter(fails).count();
    println!("{} kernels, {} cases, {failed} failed", kernels.len(), cases.len());
    if failed == 0 { Ok(()) } else { Err("not what the reference computes".into()) }
}

fn pipeline(device: &Device, text: String) -> ComputePipeline {
    let module = ShaderModuleDescriptor { label: None, source: ShaderSource::Wgsl(text.into()) };
    device.create_compute_pipeline(&ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &device.create_shader_module(module),
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    })
}

fn run(device: &Device, queue: &Queue, kernels: &Kernels, case: &Value) -> Result {
    let usage = BufferUsages::COPY_SRC | BufferUsages::COPY_DST;
    let usage = usage | BufferUsages::STORAGE | BufferUsages::UNIFORM;
    let mut buffers = Vec::new();
    for (size, runs) in from_value::<Vec<(u64, Vec<(u64, Vec<u32>)>)>>(case["buffers"].clone())? {
        let descriptor = BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        buffers.push(device.create_buffer(&descriptor));
        for (offset, words) in runs {
            queue.write_buffer(&buffers[buffers.len() - 1], offset, bytemuck::cast_slice(&words));
        }
    }
    let mut encoder = device.create_command_encoder(&Default::default());
    for (kernel, ranges, [x, y]) in from_value::<Vec<Dispatch>>(case["dispatches"].clone())? {
        let entry = |(binding, buffer, offset, bytes): (u32, usize, u64, u64)| {
            let (buffer, size) = (&buffers[buffer], BufferSize::new(bytes));
            let resource = BindingResource::Buffer(BufferBinding { buffer, offset, size });
            BindGroupEntry { binding, resource }
        };
        let entries: Vec<_> = ranges.into_iter().map(entry).collect();
        let layout = &kernels[&kernel].get_bind_group_layout(0);
        let group = BindGroupDescriptor { label: None, layout, entries: &entries };
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&kernels[&kernel]);
        pass.set_bind_group(0, &device.create_bind_group(&group), &[]);
        pass.dispatch_workgroups(x, y, 1);
    }
    queue.submit([encoder.finish()]);
    for (buffer, begin, want, bounds) in from_value::<Vec<Expected>>(case["expected"].clone())? {
        let (sender, receiver) = mpsc::channel();
        let slice = buffers[buffer].slice(begin..begin + 4 * want.len() as u64);
        DownloadBuffer::read_buffer(device, queue, &slice, move |got| drop(sender.send(got)));
        device.poll(PollType::wait_indefinitely())?;
        let got: Vec<u32> = bytemuck::pod_collect_to_vec(&receiver.recv()??);
        for (got, want) in got.into_iter().zip(want).filter(|(got, want)| got != want) {
            let [got, want] = [got, want].map(|word| f64::from(f32::from_bits(word)));
            let near = (got - want).abs() <= bounds[0] * want.abs() + bounds[1];
            let agree = near || (got.is_nan() && want.is_nan());
            agree.then_some(()).ok_or(format!("{got:e} is not {want:e} in buffer {buffer}"))?;
        }
    }
    Ok(())
}
