//! Devices as other people create them: with little on them, or with exactly what was asked for.

use std::sync::atomic::Ordering;

use wgrad::__internal::kernel::registry;
use wgrad::nn::{GradientTransforms, Objective, TargetKind};
use wgrad::prelude::*;
use wgrad::{Error, Program};

use super::host::{Host, ROWS, simulated, trainer};
use crate::support::adapter;

fn training(inputs: usize, rows: usize, optimizer: Optimizer) -> Program {
    let network = Sequential::new(inputs)
        .dense(16)
        .activation(Activation::tanh())
        .dropout(0.1)
        .dense(1)
        .build()
        .unwrap();
    let objective = Objective {
        loss: Loss::mse(),
        reduction: Reduction::Mean,
        metrics: vec![Metric::Mae],
        transforms: GradientTransforms::default(),
        weighted: false,
        class_weights: None,
        linear_cross_entropy: false,
        checked: true,
        through: false,
    };
    let target = TargetKind::Values(1);
    network.training(&objective, optimizer, target, (rows, rows), 0).unwrap().program
}

#[test]
fn a_device_with_the_least_limits_a_program_names_runs_it() {
    let limits = Gpu::required_limits(&training(2, ROWS, Optimizer::adam())).unwrap();
    assert_eq!(limits.max_storage_buffers_per_shader_stage, 6);
    let host = Host::with(limits);
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let history = trainer(&gpu).fit(&simulated(), Fit::epochs(20)).unwrap();
    assert!(history.last().unwrap().loss < history.epochs[0].loss);
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn networks_learn_by_sgd_with_the_four_storage_buffers_of_downlevel_limits() {
    let limits = Gpu::required_limits(&training(2, ROWS, Optimizer::sgd())).unwrap();
    assert_eq!(limits.max_storage_buffers_per_shader_stage, 4);
    let host = Host::with(wgpu::Limits::downlevel_defaults());
    let device: Device = Gpu::from_wgpu(&host.device, &host.queue).into();
    let classes = data::spiral(20, 4, 0).unwrap();
    for (loss, data) in [
        ("mse", simulated()),
        ("huber", simulated()),
        ("cross_entropy", classes.clone()),
        ("multi_margin", classes),
    ] {
        let model = || Sequential::new(2).dense(16).activation(Activation::tanh());
        let on = |device: &Device| {
            let model = model().dense(data.outputs());
            let sgd = Optimizer::sgd().learning_rate(0.01);
            Trainer::new(model, loss.parse().unwrap(), sgd).on(device).unwrap()
        };
        let fit = || Fit::epochs(5).batch(8);
        let history = on(&device).fit(&data, fit()).unwrap();
        let reference = on(&Device::cpu()).fit(&data, fit()).unwrap();
        for (epoch, wanted) in history.epochs.iter().zip(&reference.epochs) {
            let far = (epoch.loss - wanted.loss).abs();
            assert!(far < 1e-5 * wanted.loss, "{loss}: {epoch}, not {wanted}");
        }
    }
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn a_tensor_over_the_default_binding_asks_for_a_larger_one() {
    let rows = 40 << 20;
    let limits = Gpu::required_limits(&training(1, 64, Optimizer::adam())).unwrap();
    assert!(limits.check_limits(&wgpu::Limits::default()));
    let mut program = Program::new("large", vec![]);
    let x = program.input("x", wgrad::Shape::new(&[rows]).unwrap(), wgrad::ir::DType::F32);
    program.activation("y", Activation::relu(), x).unwrap();
    let limits = Gpu::required_limits(&program).unwrap();
    assert_eq!(limits.max_storage_buffer_binding_size, 4 * rows as u64);
}

#[test]
fn with_downlevel_limits_every_kernel_compiles_or_says_which_limit_it_needs() {
    let host = Host::with(wgpu::Limits::downlevel_defaults());
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let (mut compiled, mut refused) = (0, 0);
    for kernel in registry::all() {
        match gpu.compile(&kernel) {
            Ok(()) => compiled += 1,
            Err(Error::Limit { what, needed, limit: 4, unit }) => {
                assert!(what.contains(&kernel.label), "{what}");
                assert!(needed > 4 && unit.contains("storage buffers"), "{needed} {unit}");
                refused += 1;
            }
            Err(Error::Unsupported { .. }) if !kernel.features().is_empty() => {}
            Err(error) => panic!("{}: {error}", kernel.label),
        }
    }
    println!("{compiled} kernels compile, {refused} need more storage buffers");
    assert!(compiled > refused && refused > 0, "{compiled} and {refused}");
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn pipelines_built_ahead_are_there_when_the_plan_is_built() {
    let place = crate::support::nets::directory("prewarm");
    let host = Host::traced(&place);
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    // A tiling that the table would not take.
    let tuning = format!("nt {ROWS} x 2 x 16 x 1: Deep\n").parse().unwrap();
    let gpu = gpu.tuned(tuning);
    gpu.prewarm(&training(2, ROWS, Optimizer::adam())).unwrap();
    let trace = || std::fs::read_to_string(place.join("trace.ron")).unwrap();
    let pipelines = |trace: &str| {
        trace.lines().filter(|line| line.starts_with("CreateComputePipeline")).count()
    };
    let ahead = pipelines(&trace());
    trainer(&gpu).into_step(ROWS).unwrap();
    assert!(ahead > 5, "{ahead}");
    assert_eq!(pipelines(&trace()), ahead);
    std::fs::remove_dir_all(place).unwrap();
}

#[test]
fn a_pipeline_cache_of_the_host_is_used_and_needs_its_feature() {
    let plain = Host::new();
    let descriptor = wgpu::DeviceDescriptor {
        required_features: wgpu::Features::PIPELINE_CACHE,
        ..adapter::descriptor()
    };
    let Some(adapter::Adapter { device, queue, .. }) = adapter::try_fresh_with(&descriptor) else {
        println!("the adapter has no pipeline cache");
        return;
    };
    let descriptor =
        wgpu::PipelineCacheDescriptor { label: Some("host"), data: None, fallback: true };
    // SAFETY: there is no data to be invalid.
    let cache = unsafe { device.create_pipeline_cache(&descriptor) };
    let gpu = Gpu::from_wgpu_with_cache(&device, &queue, &cache).unwrap();
    gpu.prewarm(&training(2, ROWS, Optimizer::adam())).unwrap();
    // What a driver keeps in it is its own affair: llvmpipe keeps nothing.
    assert!(cache.get_data().is_some_and(|data| !data.is_empty()));
    let refused = Gpu::from_wgpu_with_cache(&plain.device, &plain.queue, &cache).unwrap_err();
    assert!(refused.to_string().contains("PIPELINE_CACHE"), "{refused}");
}
