//! Runs one compute shader on raw wgpu: inputs in, one output out.

use super::adapter::adapter;
use wgpu::util::DeviceExt;

/// The shader library, as the files that kernels are concatenated from.
pub const MATH: &str = include_str!("../../shaders/lib/math.wgsl");
pub const INDEX: &str = include_str!("../../shaders/lib/index.wgsl");
pub const RANDOM: &str = include_str!("../../shaders/lib/random.wgsl");

/// Runs entry point `main` on storage buffers: the inputs at bindings 0.., the output of `bytes` after them.
pub fn run(source: &str, inputs: &[&[u8]], bytes: usize, grid: [u32; 2]) -> Vec<u8> {
    let gpu = adapter();
    let device = &gpu.device;
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("test"),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("test"),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let mut buffers: Vec<wgpu::Buffer> = inputs
        .iter()
        .map(|contents| {
            let usage = wgpu::BufferUsages::STORAGE;
            device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: Some("test"),
                contents,
                usage,
            })
        })
        .collect();
    buffers.push(device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("test"),
        size: bytes as u64,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    }));
    let entries: Vec<wgpu::BindGroupEntry<'_>> = (0u32..)
        .zip(&buffers)
        .map(|(binding, buffer)| wgpu::BindGroupEntry {
            binding,
            resource: buffer.as_entire_binding(),
        })
        .collect();
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("test"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &entries,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &group, &[]);
    pass.dispatch_workgroups(grid[0], grid[1], 1);
    drop(pass);
    gpu.queue.submit([encoder.finish()]);
    read_back(device, &gpu.queue, &buffers[inputs.len()], 0, bytes as u64)
}

/// Reads a part of a buffer after everything submitted so far.
pub fn read_back(
    device: &wgpu::Device,
    queue: &wgpu::Queue,
    buffer: &wgpu::Buffer,
    offset: u64,
    bytes: u64,
) -> Vec<u8> {
    if bytes == 0 {
        return Vec::new();
    }
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("test"),
        size: bytes,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
    queue.submit([encoder.finish()]);
    staging.slice(..).map_async(wgpu::MapMode::Read, |_| ());
    device.poll(wgpu::PollType::wait_indefinitely()).expect("the device answers");
    staging.slice(..).get_mapped_range().expect("the work was done").to_vec()
}
