//! The parameters in a buffer of the host's.

use std::sync::atomic::Ordering;

use wgrad::Error;
use wgrad::embed::{Fusion, StepOptions};
use wgrad::prelude::*;

use super::host::{Host, ROWS, binding, floats, one_by_one, simulated, trainer, trainer_with};
use crate::support::kernel::read_back;
use crate::support::nets::bits;

/// What lies before and after the parameters.
const SENTINEL: f32 = 12345.0;

/// Where they begin, in bytes.
const OFFSET: u64 = 512;

/// A buffer with room for `bytes` between two times [`OFFSET`] bytes of sentinels.
fn arena(host: &Host, bytes: u64) -> wgpu::Buffer {
    let len = (bytes + 2 * OFFSET) / 4;
    let buffer = host.buffer(len, wgpu::BufferUsages::COPY_DST);
    let contents = vec![SENTINEL; len as usize];
    host.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(&contents));
    buffer
}

/// Everything in the arena; what lies around it is as it was.
fn contents(host: &Host, buffer: &wgpu::Buffer) -> Vec<f32> {
    let all = floats(&read_back(&host.device, &host.queue, buffer, 0, buffer.size()));
    let (before, rest) = all.split_at(OFFSET as usize / 4);
    let (inside, after) = rest.split_at(rest.len() - OFFSET as usize / 4);
    assert!(before.iter().chain(after).all(|x| *x == SENTINEL), "written beside the arena");
    inside.to_vec()
}

fn train(host: &Host, step: &mut wgrad::embed::TrainingStep, frames: u64) {
    let data = simulated();
    for _ in 0..frames {
        let mut encoder = host.encoder();
        step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap()).unwrap();
        let targets = data.targets().values().unwrap();
        step.upload_targets(&mut encoder, targets.as_slice().unwrap()).unwrap();
        step.encode(&mut encoder, 2).unwrap();
        host.frame(encoder.finish());
    }
    host.wait_for(None);
}

/// Checks that the buffer holds the trainer's parameters where they are said to lie, and zeros between.
fn holds(host: &Host, buffer: &wgpu::Buffer, trained: &Trainer) {
    let inside = contents(host, buffer);
    let mut between = vec![true; inside.len()];
    let ranges = trained.network().param_ranges();
    for ((name, values), range) in trained.parameters().unwrap().into_iter().zip(ranges) {
        let range = range.start as usize / 4..range.end as usize / 4;
        assert_eq!(inside[range.clone()], *values.as_slice().unwrap(), "{name}");
        between[range].fill(false);
    }
    let padding = inside.iter().zip(between).filter(|(_, between)| *between);
    assert!(padding.clone().count() > 0 && padding.into_iter().all(|(x, _)| *x == 0.0));
}

#[test]
fn a_step_whose_parameters_lie_in_the_hosts_buffer_trains_bit_for_bit_as_one_of_its_own() {
    for fusion in [Fusion::Never, Fusion::Whole] {
        let host = Host::new();
        let gpu = Gpu::from_wgpu(&host.device, &host.queue);
        let own = || trainer_with(&gpu, fusion);
        let buffer = arena(&host, own().network().param_bytes());
        let options = StepOptions::rows(ROWS).parameters(&buffer, OFFSET).fused();
        let mut step = own().into_step(options).unwrap();
        assert_eq!(step.parameter(2).unwrap().buffer, buffer);
        train(&host, &mut step, 10);
        let mut plain = own();
        plain.fit(&simulated(), Fit::epochs(20)).unwrap();
        let mut trained = step.into_trainer();
        assert_eq!(bits(&trained), bits(&plain), "{fusion:?}");
        holds(&host, &buffer, &trained);
        // The trainer goes on there.
        trained.fit(&simulated(), Fit::epochs(5)).unwrap();
        plain.fit(&simulated(), Fit::epochs(5)).unwrap();
        assert_eq!(bits(&trained), bits(&plain), "{fusion:?}");
        holds(&host, &buffer, &trained);
        assert_eq!(host.errors.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn weights_that_the_hosts_shader_writes_count_from_the_next_step_on() {
    let host = Host::new();
    let gpu = one_by_one(&Gpu::from_wgpu(&host.device, &host.queue));
    let model = || Sequential::new(2).dense(16).activation(Activation::tanh()).dense(1);
    let seeded = |seed| {
        let builder = Trainer::new(model(), Loss::mse(), Optimizer::adam()).seed(seed);
        builder.on(&gpu.clone().into()).unwrap()
    };
    let mut trainer = seeded(0);
    let buffer = arena(&host, trainer.network().param_bytes());
    trainer.move_parameters(&buffer, OFFSET).unwrap();
    let mut prediction = trainer.inference(ROWS).unwrap();
    let ranges = trainer.network().param_ranges();
    let mut step = trainer.into_step(ROWS).unwrap();
    let mut other = seeded(1);
    const COPY: &str = "
@group(0) @binding(0) var<storage, read> given: array<f32>;
@group(0) @binding(1) var<storage, read_write> taken: array<f32>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
    if id.x < arrayLength(&given) { taken[id.x] = given[id.x]; }
}";
    let mut encoder = host.encoder();
    for (index, (_, values)) in other.parameters().unwrap().into_iter().enumerate() {
        let source = host.buffer(values.len() as u64, wgpu::BufferUsages::COPY_DST);
        host.queue.write_buffer(&source, 0, bytemuck::cast_slice(values.as_slice().unwrap()));
        let from = wgpu::BufferBinding { buffer: &source, offset: 0, size: None };
        let place = step.parameter(index).unwrap();
        assert_eq!(place.offset, OFFSET + ranges[index].start);
        host.pass(&mut encoder, COPY, [from, binding(&place)], 1);
    }
    host.queue.submit([encoder.finish()]);
    holds(&host, &buffer, &other);
    train(&host, &mut step, 3);
    other.fit(&simulated(), Fit::epochs(6)).unwrap();
    assert_eq!(bits(&step.into_trainer()), bits(&other));
    let mut encoder = host.encoder();
    prediction.upload_inputs(&mut encoder, simulated().inputs().as_slice().unwrap()).unwrap();
    prediction.encode(&mut encoder).unwrap();
    host.queue.submit([encoder.finish()]);
    let outputs = prediction.outputs();
    let got =
        read_back(&host.device, &host.queue, &outputs.buffer, outputs.offset, 4 * ROWS as u64);
    let want = other.predict(simulated().inputs().view()).unwrap();
    assert_eq!(floats(&got), want.iter().copied().collect::<Vec<_>>());
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn an_arena_of_several_bindings_lies_in_one_buffer() {
    // 98 304 numbers a binding; the two square layers have 60 000 each.
    let limits =
        wgpu::Limits { max_storage_buffer_binding_size: 384 << 10, ..wgpu::Limits::default() };
    let host = Host::with(limits);
    let gpu = one_by_one(&Gpu::from_wgpu(&host.device, &host.queue));
    let wide = || {
        let model = Sequential::new(2).dense(245).activation(Activation::tanh());
        let model = model.dense(245).activation(Activation::tanh()).dense(245).dense(1);
        Trainer::new(model, Loss::mse(), Optimizer::adam()).on(&gpu.clone().into()).unwrap()
    };
    let buffer = arena(&host, wide().network().param_bytes());
    assert!(buffer.size() > 384 << 10);
    let mut step = wide().into_step(StepOptions::rows(ROWS).parameters(&buffer, OFFSET)).unwrap();
    train(&host, &mut step, 2);
    let mut plain = wide();
    plain.fit(&simulated(), Fit::epochs(4)).unwrap();
    let trained = step.into_trainer();
    assert!(bits(&trained) == bits(&plain), "trained otherwise");
    holds(&host, &buffer, &trained);
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn checkpoints_and_snapshots_find_the_parameters_in_the_hosts_buffer() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let bytes = trainer(&gpu).network().param_bytes();
    let options = |buffer: &wgpu::Buffer| {
        StepOptions::rows(ROWS).parameters(buffer, OFFSET).snapshot_every(4)
    };
    let mut step = trainer(&gpu).into_step(options(&arena(&host, bytes))).unwrap();
    train(&host, &mut step, 10);
    let taken = step.snapshot().unwrap().unwrap().step();
    host.device.destroy();

    let next = Host::new();
    let buffer = arena(&next, bytes);
    step.restore_over(&next.device, &next.queue, options(&buffer)).unwrap();
    assert_eq!(step.next_step(), taken);
    train(&next, &mut step, 15 - taken / 2);
    let trained = step.into_trainer();
    let gpu = Gpu::from_wgpu(&next.device, &next.queue);
    let mut plain = trainer(&gpu);
    plain.fit(&simulated(), Fit::epochs(30)).unwrap();
    assert_eq!(bits(&trained), bits(&plain));
    holds(&next, &buffer, &trained);

    let place = crate::support::nets::directory("arena").join("net.safetensors");
    trained.save(&place).unwrap();
    let mut loaded = trainer(&gpu);
    let other = arena(&next, bytes);
    loaded.move_parameters(&other, OFFSET).unwrap();
    loaded.load(&place).unwrap();
    holds(&next, &other, &trained);
    assert_eq!(next.errors.load(Ordering::SeqCst), 0);
}

#[test]
fn a_place_that_does_not_fit_is_refused_and_the_parameters_stay() {
    let host = Host::new();
    let gpu = Gpu::from_wgpu(&host.device, &host.queue);
    let mut trainer = trainer(&gpu);
    let (before, bytes) = (bits(&trainer), trainer.network().param_bytes());
    let needed = (bytes + 256).to_string();
    let refused = |trainer: &mut Trainer, buffer: &wgpu::Buffer, offset, words: &[&str]| {
        let message = trainer.move_parameters(buffer, offset).unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    let buffer = arena(&host, bytes);
    let short = host.buffer(bytes / 4, wgpu::BufferUsages::COPY_DST);
    refused(&mut trainer, &short, 256, &[&needed, "bytes"]);
    refused(&mut trainer, &buffer, u64::MAX - 255, &["bytes"]);
    refused(&mut trainer, &buffer, 128, &["256", "128"]);
    let usages = [
        (wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC, "STORAGE"),
        (wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC, "COPY_DST"),
        (wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST, "COPY_SRC"),
    ];
    for (usage, lacking) in usages {
        let (label, size) = (Some("host"), bytes);
        let descriptor = wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false };
        refused(&mut trainer, &host.device.create_buffer(&descriptor), 0, &[lacking]);
    }
    assert_eq!(bits(&trainer), before);
    trainer.move_parameters(&buffer, OFFSET).unwrap();
    refused(&mut trainer, &buffer, 0, &["already"]);
    assert_eq!(bits(&trainer), before);
    let options = StepOptions::rows(ROWS).parameters(&buffer, 0);
    assert!(trainer.inference(options).unwrap_err().to_string().contains("move_parameters"));

    let model = Sequential::new(2).dense(1);
    let mut reference =
        Trainer::new(model, Loss::mse(), Optimizer::adam()).on(&Device::cpu()).unwrap();
    assert!(matches!(reference.move_parameters(&buffer, 0), Err(Error::Unsupported { .. })));
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}
