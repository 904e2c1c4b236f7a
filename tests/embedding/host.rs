//! A host application: a device of its own with default limits and no features, handlers, pipelines and buffers.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use wgpu::util::DeviceExt;
use wgrad::embed::{Choices, Fusion, Region};
use wgrad::ndarray::Array2;
use wgrad::prelude::*;

use crate::support::adapter::{self, Adapter};

pub const ROWS: usize = 24;

/// How many frames the host lets the device lag behind.
const IN_FLIGHT: usize = 2;

/// What the host's shader computes.
pub fn simulated() -> Dataset {
    let x = Array2::from_shape_fn((ROWS, 2), |(i, col)| {
        if col == 0 { i as f32 * 0.125 - 1.5 } else { 1.0 - i as f32 * 0.0625 }
    });
    let y = Array2::from_shape_fn((ROWS, 1), |(i, _)| (i % 3) as f32 - 0.5);
    Dataset::new(x, y).unwrap()
}

/// A trainer whose own runs go op by op, as steps do that are not fused.
pub fn trainer(gpu: &Gpu) -> Trainer {
    trainer_with(gpu, Fusion::Never)
}

pub fn trainer_with(gpu: &Gpu, fusion: Fusion) -> Trainer {
    let gpu = choosing(gpu, fusion);
    let model = Sequential::new(2).dense(16).activation(Activation::tanh()).dropout(0.1).dense(1);
    Trainer::new(model, Loss::mse(), Optimizer::adam().learning_rate(0.01))
        .schedule(Schedule::inverse_time(1e-2).unwrap())
        .on(&gpu.into())
        .unwrap()
}

fn choosing(gpu: &Gpu, fusion: Fusion) -> Gpu {
    gpu.choosing(Choices { fusion, ..gpu.choices() })
}

/// The device for plans whose ops are dispatched one by one.
pub fn one_by_one(gpu: &Gpu) -> Gpu {
    choosing(gpu, Fusion::Never)
}

/// The device for steps whose ops are dispatched one by one, and for steps in two dispatches.
pub fn ways(host: &Host) -> [Gpu; 2] {
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    [Fusion::Never, Fusion::Whole].map(|fusion| choosing(&gpu, fusion))
}

/// The host application.
pub struct Host {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub errors: Arc<AtomicUsize>,
    pub lost: Arc<AtomicBool>,
    flights: Mutex<VecDeque<wgpu::SubmissionIndex>>,
}

impl Host {
    /// A device of its own, with default limits, no features, and handlers of its own.
    pub fn new() -> Self {
        Self::on(adapter::fresh())
    }

    /// The same with everything that the device is asked for written to `trace.ron` in an empty directory.
    pub fn traced(directory: &Path) -> Self {
        let trace = wgpu::Trace::Directory(directory.to_path_buf());
        let descriptor = wgpu::DeviceDescriptor { trace, ..adapter::descriptor() };
        Self::on(adapter::fresh_with(&descriptor))
    }

    /// The same with limits of one's own.
    pub fn with(required_limits: wgpu::Limits) -> Self {
        let descriptor = wgpu::DeviceDescriptor { required_limits, ..adapter::descriptor() };
        Self::on(adapter::fresh_with(&descriptor))
    }

    pub fn on(Adapter { device, queue, .. }: Adapter) -> Self {
        let (errors, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let count = errors.clone();
        device.on_uncaptured_error(Arc::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        }));
        let note = lost.clone();
        device.set_device_lost_callback(move |_, _| note.store(true, Ordering::SeqCst));
        Self { device, queue, errors, lost, flights: Mutex::default() }
    }

    pub fn buffer(&self, floats: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let (label, size) = (Some("host"), floats * 4);
        let usage = usage | wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label,
            size,
            usage,
            mapped_at_creation: false,
        })
    }

    /// A buffer to copy from.
    pub fn filled(&self, contents: &[f32]) -> wgpu::Buffer {
        self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("host"),
            contents: bytemuck::cast_slice(contents),
            usage: wgpu::BufferUsages::COPY_SRC,
        })
    }

    pub fn encoder(&self) -> wgpu::CommandEncoder {
        self.device.create_command_encoder(&Default::default())
    }

    /// Waits for a submission, or for all of them.
    pub fn wait_for(&self, submission_index: Option<wgpu::SubmissionIndex>) {
        let wait = wgpu::PollType::Wait { submission_index, timeout: None };
        self.device.poll(wait).unwrap();
    }

    /// Submits as a host does that lets only so many frames be in flight.
    pub fn frame(&self, commands: wgpu::CommandBuffer) {
        let mut flights = self.flights.lock().unwrap();
        flights.push_back(self.queue.submit([commands]));
        if flights.len() > IN_FLIGHT {
            self.wait_for(flights.pop_front());
        }
    }

    /// Records a pass of the host's own with two bindings.
    pub fn pass(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        source: &str,
        bindings: [wgpu::BufferBinding<'_>; 2],
        groups: u32,
    ) {
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("host"),
            source: wgpu::ShaderSource::Wgsl(source.into()),
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some("host"),
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let [first, second] = bindings.map(wgpu::BindingResource::Buffer);
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("host"),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: first },
                wgpu::BindGroupEntry { binding: 1, resource: second },
            ],
        });
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(groups, 1, 1);
    }

    /// Does something wrong on purpose, outside of every error scope of its own.
    pub fn blunder(&self) {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::STORAGE;
        drop(self.buffer(4, usage));
    }
}

pub fn binding(region: &Region) -> wgpu::BufferBinding<'_> {
    wgpu::BufferBinding {
        buffer: &region.buffer,
        offset: region.offset,
        size: wgpu::BufferSize::new(region.bytes),
    }
}

pub fn floats(bytes: &[u8]) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(bytes)
}
