//! Steps between passes of the host, and what each side sees of the other.

use std::sync::atomic::Ordering;

use wgpu::util::DeviceExt;
use wgrad::embed::{Fusion, StepOptions};
use wgrad::prelude::*;

use super::host::{Host, ROWS, binding, floats, simulated, trainer, trainer_with, ways};
use crate::support::kernel::read_back;
use crate::support::nets::bits;

/// The host's first pass: a wave and its derivative, as a simulation would leave them.
const SIMULATE: &str = "
@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> target_y: array<f32>;
@compute @workgroup_size(8) fn main(@builtin(global_invocation_id) id: vec3u) {
    let i = id.x;
    x[2u * i] = f32(i) * 0.125 - 1.5;
    x[2u * i + 1u] = 1.0 - f32(i) * 0.0625;
    target_y[i] = f32(i % 3u) - 0.5;
}";

/// The host's last pass: reads the parameters where they lie.
const COLLECT: &str = "
@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(32) fn main(@builtin(global_invocation_id) id: vec3u) {
    out[id.x] = 2.0 * weight[id.x];
}";

#[test]
fn a_fused_step_is_two_dispatches_in_the_hosts_encoder_and_the_step_of_a_run_of_our_own() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let mut own = trainer_with(&gpu, Fusion::Whole);
    own.fit(&simulated(), Fit::epochs(10)).unwrap();
    let options = StepOptions::rows(ROWS).fused();
    let mut step = trainer_with(&gpu, Fusion::Auto).into_step(options).unwrap();
    assert_eq!(step.plan().dispatches().len(), 2, "{}", step.plan().explain());
    let data = simulated();
    let mut encoder = host.device.create_command_encoder(&Default::default());
    step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap()).unwrap();
    let targets = data.targets().values().unwrap().as_slice().unwrap().to_vec();
    step.upload_targets(&mut encoder, &targets).unwrap();
    step.encode(&mut encoder, 10).unwrap();
    host.queue.submit([encoder.finish()]);
    let error = step.outputs().unwrap_err().to_string();
    assert!(error.contains("outputs"), "{error}");
    assert_eq!(bits(&step.into_trainer()), bits(&own));
}

#[test]
fn ten_steps_between_two_passes_of_the_host_are_ten_steps_of_a_run_of_our_own() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let mut step = trainer(&gpu).into_step(ROWS).unwrap();
    let weight = step.parameter(0).unwrap();
    let out = host.buffer(32, wgpu::BufferUsages::empty());

    let mut encoder = host.device.create_command_encoder(&Default::default());
    let inputs = [step.inputs(), step.targets().unwrap()].map(binding);
    host.pass(&mut encoder, SIMULATE, inputs, ROWS as u32 / 8);
    step.encode(&mut encoder, 10).unwrap();
    let results = [binding(&weight), wgpu::BufferBinding { buffer: &out, offset: 0, size: None }];
    host.pass(&mut encoder, COLLECT, results, 1);

    // Nothing has run so far: the recording alone changes no parameter.
    let before = floats(&read_back(&host.device, &host.queue, &weight.buffer, weight.offset, 128));
    host.queue.submit([encoder.finish()]);
    let collected = floats(&read_back(&host.device, &host.queue, &out, 0, 128));
    let records = pollster::block_on(step.records(0..10)).unwrap();
    let trained = step.into_trainer();
    assert_eq!((trained.step(), trained.epoch()), (10, 10));

    let mut plain = trainer(&gpu);
    assert_eq!(before, plain.parameters().unwrap()[0].1.as_slice().unwrap());
    let history = plain.fit(&simulated(), Fit::epochs(10)).unwrap();
    assert_eq!(bits(&trained), bits(&plain));
    let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.loss).collect();
    assert_eq!(records.iter().map(|row| f64::from(row[0])).collect::<Vec<_>>(), losses);
    let weights = &plain.parameters().unwrap()[0].1;
    assert_eq!(collected, weights.iter().map(|w| 2.0 * w).collect::<Vec<_>>());
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn the_host_keeps_its_error_and_device_lost_handlers() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let mut step = trainer(&gpu).into_step(ROWS).unwrap();
    host.blunder();
    assert_eq!(host.errors.load(Ordering::SeqCst), 1, "after our set-up");

    let mut encoder = host.device.create_command_encoder(&Default::default());
    step.encode(&mut encoder, 3).unwrap();
    host.blunder();
    assert_eq!(host.errors.load(Ordering::SeqCst), 2, "after our recording");

    host.queue.submit([encoder.finish()]);
    pollster::block_on(step.records(0..3)).unwrap();
    host.blunder();
    assert_eq!(host.errors.load(Ordering::SeqCst), 3, "after our reading");

    assert!(!host.lost.load(Ordering::SeqCst));
    host.device.destroy();
    let _ = host.device.poll(wgpu::PollType::Poll);
    assert!(host.lost.load(Ordering::SeqCst));
}

#[test]
fn a_step_has_the_metric_that_suits_its_loss() {
    let host = Host::new();
    for gpu in ways(&host) {
        let device = gpu.clone().into();
        let data = simulated();
        let model = Sequential::new(2).dense(8).activation(Activation::tanh());
        let builder =
            |loss, outputs| Trainer::new(model.clone().dense(outputs), loss, Optimizer::sgd());
        for (loss, outputs, metric) in
            [(Loss::mse(), 1, Metric::Mae), (Loss::cross_entropy(), 3, Metric::Accuracy)]
        {
            let figures = |builder: wgrad::train::TrainerBuilder| {
                let mut step = builder.on(&device).unwrap().into_step(ROWS).unwrap();
                let mut encoder = host.encoder();
                step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap()).unwrap();
                if outputs == 1 {
                    let targets = data.targets().values().unwrap().as_slice().unwrap();
                    step.upload_targets(&mut encoder, targets).unwrap();
                }
                step.encode(&mut encoder, 1).unwrap();
                host.queue.submit([encoder.finish()]);
                host.wait_for(None);
                step.metrics().try_latest().unwrap().unwrap().metrics
            };
            let own = figures(builder(loss, outputs));
            assert_eq!(own.len(), 1, "{loss}");
            assert_eq!(own, figures(builder(loss, outputs).metrics(&[metric])), "{loss}");
            assert!(figures(builder(loss, outputs).metrics(&[])).is_empty());
        }
    }
}

#[test]
fn the_steps_of_several_frames_are_the_steps_of_one() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let data = simulated();
    let values = data.targets().values().unwrap();
    let upload = |contents: &[f32]| {
        host.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("host"),
            contents: bytemuck::cast_slice(contents),
            usage: wgpu::BufferUsages::COPY_SRC,
        })
    };
    let (x, y) = (upload(data.inputs().as_slice().unwrap()), upload(values.as_slice().unwrap()));
    let mut step = trainer(&gpu).into_step(ROWS).unwrap();
    for frame in 0..12 {
        let mut encoder = host.device.create_command_encoder(&Default::default());
        step.inputs().copy_from(&mut encoder, &x, x.size()).unwrap();
        step.targets().unwrap().copy_from(&mut encoder, &y, y.size()).unwrap();
        step.encode(&mut encoder, 1 + frame % 3).unwrap();
        host.queue.submit([encoder.finish()]);
    }
    let trained = step.into_trainer();
    let mut plain = trainer(&gpu);
    plain.fit(&data, Fit::epochs(24)).unwrap();
    assert_eq!(trained.step(), 24);
    assert_eq!(bits(&trained), bits(&plain));
}

#[test]
fn a_copy_that_does_not_fit_is_refused() {
    let host = Host::new();
    let step = trainer(&Gpu::from_wgpu(&host.device, &host.queue)).into_step(ROWS).unwrap();
    let mut encoder = host.device.create_command_encoder(&Default::default());
    let small = host.buffer(4, wgpu::BufferUsages::empty());
    for (bytes, words) in [(20, "20 bytes"), (6, "multiple of 4")] {
        let error = step.inputs().copy_from(&mut encoder, &small, bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let unreadable = host.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("host"),
        contents: &[0; 16],
        usage: wgpu::BufferUsages::STORAGE,
    });
    let error = step.inputs().copy_from(&mut encoder, &unreadable, 16).unwrap_err().to_string();
    assert!(error.contains("COPY_SRC"), "{error}");
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

/// The host's own loss, mse over 24 rows of one output: dL/dy from y.
const OWN_LOSS: &str = "
@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read_write> grad: array<f32>;
@compute @workgroup_size(8) fn main(@builtin(global_invocation_id) id: vec3u) {
    let i = id.x;
    grad[i] = (1.0 / 24.0) * (2.0 * (y[i] - (f32(i % 3u) - 0.5)));
}";

#[test]
fn a_gradient_from_the_hosts_own_shader_trains_as_the_loss_it_is_of() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let data = simulated();
    let x = host.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("host"),
        contents: bytemuck::cast_slice(data.inputs().as_slice().unwrap()),
        usage: wgpu::BufferUsages::COPY_SRC,
    });
    let mut step = trainer(&gpu).into_gradient_step(ROWS).unwrap();
    let mut encoder = host.device.create_command_encoder(&Default::default());
    assert!(step.encode_update(&mut encoder).is_err());
    step.inputs().copy_from(&mut encoder, &x, x.size()).unwrap();
    for _ in 0..6 {
        step.encode_forward(&mut encoder).unwrap();
        assert!(step.encode_update(&mut encoder).is_err());
        let bindings = [binding(step.outputs().unwrap()), binding(step.gradients().unwrap())];
        host.pass(&mut encoder, OWN_LOSS, bindings, ROWS as u32 / 8);
        step.encode_backward(&mut encoder).unwrap();
        step.encode_update(&mut encoder).unwrap();
    }
    host.queue.submit([encoder.finish()]);
    let trained = step.into_trainer();
    let mut plain = trainer(&gpu);
    plain.fit(&data, Fit::epochs(6)).unwrap();
    assert_eq!((trained.step(), trained.epoch()), (6, 6));
    // The driver may contract the host's arithmetic in its own way: the last bit is not promised.
    for ((name, ours), (_, theirs)) in
        trained.parameters().unwrap().into_iter().zip(plain.parameters().unwrap())
    {
        let far = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-5, "{name}: {far}");
    }
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn targets_that_are_no_class_are_counted_on_the_device_and_named_at_the_next_read() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let trainer = |loss: &str| {
        let model = Sequential::new(2).dense(3);
        Trainer::new(model, loss.parse().unwrap(), Optimizer::sgd())
            .on(&gpu.clone().into())
            .unwrap()
    };
    let run = |loss: &str, labels: &[u32], fused: bool| {
        let options = StepOptions::rows(labels.len());
        let options = if fused { options.fused() } else { options };
        let mut step = trainer(loss).into_step(options).unwrap();
        if fused {
            // The classes are counted beside a whole step.
            assert_eq!(step.plan().dispatches().len(), 3, "{}", step.plan().explain());
        }
        let labels = host.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("host"),
            contents: bytemuck::cast_slice(labels),
            usage: wgpu::BufferUsages::COPY_SRC,
        });
        let mut encoder = host.device.create_command_encoder(&Default::default());
        step.targets().unwrap().copy_from(&mut encoder, &labels, labels.size()).unwrap();
        step.encode(&mut encoder, 2).unwrap();
        host.queue.submit([encoder.finish()]);
        let records = pollster::block_on(step.records(0..2));
        (records.map_err(|error| error.to_string()), step.into_trainer())
    };
    for fused in [false, true] {
        let mut labels: Vec<u32> = (0..600).map(|row| row % 3).collect();
        let [own, apart] = [fused, false].map(|fused| run("cross_entropy", &labels, fused).0);
        for (own, apart) in own.unwrap().iter().zip(&apart.unwrap()) {
            let close = own.iter().zip(apart).all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(close && own[0] > 0.5, "{own:?} {apart:?}");
        }
        labels[301] = 3;
        labels[17] = u32::MAX;
        labels[599] = 250;
        let (outcome, trained) = run("cross_entropy", &labels, fused);
        let message = outcome.unwrap_err();
        assert_eq!(
            message,
            "training step 0: 3 targets are no indices below 3; the first is at place 17"
        );
        let parameters = trained.parameters().unwrap();
        assert!(parameters.iter().all(|(_, p)| p.iter().all(|x| x.is_finite())));
        // A class to be ignored is no fault.
        let (outcome, _) = run("cross_entropy(ignore_index=250)", &labels, false);
        assert!(outcome.unwrap_err().contains("2 targets"), "ignore_index");
    }
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}
