//! Devices whose limits are lower than anybody needs: each says which limit it is, or does its work.

use std::sync::atomic::Ordering;

use wgpu::Limits;
use wgrad::__internal::kernel::registry;
use wgrad::embed::{Choices, Fusion, StepOptions, TextureCopy, View};
use wgrad::ndarray::array;
use wgrad::prelude::*;
use wgrad::{Error, Result, Shape};

use super::host::Host;
use crate::support::adapter;

type Set = fn(&mut Limits, u64);

/// Every field of [`Limits`] by its name.
macro_rules! fields {
    ($($name:ident),* $(,)?) => {
        &[$((stringify!($name), |limits: &mut Limits, value: u64| limits.$name = value as _)),*]
    };
}

const FIELDS: &[(&str, Set)] = fields![
    max_texture_dimension_1d,
    max_texture_dimension_2d,
    max_texture_dimension_3d,
    max_texture_array_layers,
    max_bind_groups,
    max_bind_groups_plus_vertex_buffers,
    max_bindings_per_bind_group,
    max_dynamic_uniform_buffers_per_pipeline_layout,
    max_dynamic_storage_buffers_per_pipeline_layout,
    max_sampled_textures_per_shader_stage,
    max_samplers_per_shader_stage,
    max_storage_buffers_per_shader_stage,
    max_storage_textures_per_shader_stage,
    max_uniform_buffers_per_shader_stage,
    max_binding_array_elements_per_shader_stage,
    max_binding_array_acceleration_structure_elements_per_shader_stage,
    max_binding_array_sampler_elements_per_shader_stage,
    max_uniform_buffer_binding_size,
    max_storage_buffer_binding_size,
    max_vertex_buffers,
    max_buffer_size,
    max_vertex_attributes,
    max_vertex_buffer_array_stride,
    max_inter_stage_shader_variables,
    min_uniform_buffer_offset_alignment,
    min_storage_buffer_offset_alignment,
    max_color_attachments,
    max_color_attachment_bytes_per_sample,
    max_compute_workgroup_storage_size,
    max_compute_invocations_per_workgroup,
    max_compute_workgroup_size_x,
    max_compute_workgroup_size_y,
    max_compute_workgroup_size_z,
    max_compute_workgroups_per_dimension,
    max_immediate_size,
    max_non_sampler_bindings,
    max_task_workgroup_total_count,
    max_task_workgroups_per_dimension,
    max_mesh_workgroup_total_count,
    max_mesh_workgroups_per_dimension,
    max_task_invocations_per_workgroup,
    max_task_invocations_per_dimension,
    max_mesh_invocations_per_workgroup,
    max_mesh_invocations_per_dimension,
    max_task_payload_size,
    max_mesh_output_vertices,
    max_mesh_output_primitives,
    max_mesh_output_layers,
    max_mesh_multiview_view_count,
    max_blas_primitive_count,
    max_blas_geometry_count,
    max_tlas_instance_count,
    max_acceleration_structures_per_shader_stage,
    max_buffers_and_acceleration_structures_per_shader_stage,
    max_multiview_view_count,
    max_ray_dispatch_count,
    max_ray_recursion_depth,
];

/// What a host does with a device.
fn uses(host: &Host) -> Vec<(&'static str, Result<()>)> {
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let device = Device::from(gpu.clone());
    let data = data::sine(20).unwrap();
    let on = |fusion| {
        let gpu = gpu.choosing(Choices { fusion, ..gpu.choices() });
        let model = Sequential::new(1).dense(4).activation(Activation::tanh()).dense(1);
        Trainer::new(model, Loss::mse(), Optimizer::adam()).on(&gpu.into())
    };
    let fit = |fusion| on(fusion)?.fit(&data, Fit::epochs(2).batch(8)).map(drop);
    let step = || {
        let mut step = on(Fusion::Never)?.into_step(StepOptions::rows(8).snapshot_every(1))?;
        let mut encoder = host.encoder();
        step.upload_inputs(&mut encoder, &[0.5; 8])?;
        step.encode(&mut encoder, 2)?;
        host.queue.submit([encoder.finish()]);
        pollster::block_on(step.records(0..2)).map(drop)
    };
    let tensors = || {
        let x = device.tensor(&array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
        let y = device.activation(Activation::softmax(), &x)?;
        let y = device.matmul(&y, &x, wgrad::ir::Form::NT)?;
        device.reduce(Reduce::Sum, &y, &[])?.read().map(drop)
    };
    let texture = || {
        let limits = host.device.limits();
        let layers = limits.max_texture_array_layers;
        if limits.max_texture_dimension_2d < 4 || layers == 0 || limits.max_buffer_size < 256 {
            return Ok(());
        }
        let image = host.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("host"),
            size: wgpu::Extent3d { width: 2, height: 4, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::R32Float,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::STORAGE_BINDING,
            view_formats: &[],
        });
        let shape = Shape::new(&[4, 2, 1])?;
        let view = View::new(&host.buffer(64, wgpu::BufferUsages::empty()), 0, shape)?;
        let copy = TextureCopy::new(&gpu, &image, &view)?;
        let mut encoder = host.encoder();
        copy.to_tensor(&mut encoder)?;
        copy.to_texture(&mut encoder)?;
        host.queue.submit([encoder.finish()]);
        Ok(())
    };
    vec![
        ("fit", fit(Fusion::Never)),
        ("fused fit", fit(Fusion::Auto)),
        ("step", step()),
        ("tensors", tensors()),
        ("texture", texture()),
    ]
}

#[test]
fn with_any_limit_lowered_a_device_works_or_the_limit_is_named() {
    let written = format!("{:?}", Limits::default());
    let declared = written.matches("max_").count() + written.matches("min_").count();
    assert_eq!(FIELDS.len(), declared, "every field of {written}");
    let (mut worked, mut refused) = (0, 0);
    for (name, set) in FIELDS {
        for value in [0, 1, 16, 100] {
            let mut required_limits = Limits::default();
            set(&mut required_limits, value);
            let descriptor = wgpu::DeviceDescriptor { required_limits, ..adapter::descriptor() };
            // Some of them the adapter itself refuses.
            let Some(host) = adapter::try_fresh_with(&descriptor).map(Host::on) else { continue };
            for (what, outcome) in uses(&host) {
                match outcome {
                    Ok(()) => worked += 1,
                    Err(Error::Limit { .. }) => refused += 1,
                    Err(error) => panic!("{name} = {value}, {what}: {error}"),
                }
            }
            let heard = host.errors.load(Ordering::SeqCst);
            assert_eq!(heard, 0, "{name} = {value}");
        }
    }
    println!("{worked} worked, {refused} refused");
    assert!(worked > 200 && refused > 50, "{worked} and {refused}");
}

#[test]
fn with_the_limits_of_a_kernel_lowered_every_kernel_compiles_or_names_the_limit() {
    let kernels = registry::all();
    let of_kernels = FIELDS.iter().filter(|(name, _)| {
        ["max_compute_", "max_uniform_", "max_storage_buffers", "max_bind"]
            .iter()
            .any(|begin| name.starts_with(begin))
    });
    for (name, set) in of_kernels {
        for value in [0, 100] {
            let mut required_limits = Limits::default();
            set(&mut required_limits, value);
            let descriptor = wgpu::DeviceDescriptor { required_limits, ..adapter::descriptor() };
            let Some(host) = adapter::try_fresh_with(&descriptor).map(Host::on) else { continue };
            let gpu = Gpu::from_wgpu(&host.device, &host.queue);
            let mut compiled = 0;
            for kernel in &kernels {
                match gpu.compile(kernel) {
                    // Those that are left are like those that went before.
                    Ok(()) if compiled > 20 => break,
                    Ok(()) => compiled += 1,
                    Err(Error::Limit { what, .. }) => assert!(what.contains(&kernel.label)),
                    Err(Error::Unsupported { .. }) if !kernel.features().is_empty() => {}
                    Err(error) => panic!("{name} = {value}, {}: {error}", kernel.label),
                }
            }
            assert_eq!(host.errors.load(Ordering::SeqCst), 0, "{name} = {value}");
        }
    }
}
