//! What changes while training goes on: settings, functions, how much fits into a frame.

use std::sync::atomic::Ordering;

use wgrad::embed::{Budget, StepOptions, TrainingStep};
use wgrad::prelude::*;
use wgrad::train::TrainerBuilder;

use super::host::{Host, ROWS, one_by_one, simulated, ways};
use crate::support::adapter;
use crate::support::nets::{bits, directory};

fn model(hidden: Activation, rate: f64) -> Sequential {
    Sequential::new(2).dense(16).activation(hidden).dropout(rate).dense(1)
}

fn builder(hidden: Activation, rate: f64, lr: f64) -> TrainerBuilder {
    Trainer::new(model(hidden, rate), Loss::mse(), Optimizer::adam().learning_rate(lr))
}

fn fill(host: &Host, step: &mut TrainingStep) {
    let data = simulated();
    let mut encoder = host.encoder();
    step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap()).unwrap();
    let targets = data.targets().values().unwrap();
    step.upload_targets(&mut encoder, targets.as_slice().unwrap()).unwrap();
    host.frame(encoder.finish());
}

fn frame(host: &Host, step: &mut TrainingStep, steps: u64) {
    let mut encoder = host.encoder();
    step.encode(&mut encoder, steps).unwrap();
    host.frame(encoder.finish());
}

#[test]
fn settings_changed_between_recordings_are_those_of_a_trainer_changed_between_epochs() {
    let host = Host::new();
    for gpu in ways(&host) {
        changed(&host, &gpu.into());
    }
}

fn changed(host: &Host, device: &Device) {
    let place = directory("live");
    let path = place.join("state.safetensors");
    let options = StepOptions::rows(ROWS).fused();
    let first = builder(Activation::tanh(), 0.1, 0.01).on(device).unwrap();
    let mut step = first.into_step(options).unwrap();
    fill(host, &mut step);
    frame(host, &mut step, 4);
    step.set_optimizer("lr", 0.002).unwrap();
    step.set_optimizer("beta1", 0.5).unwrap();
    frame(host, &mut step, 4);
    step.set_dropout(0.4).unwrap();
    frame(host, &mut step, 4);
    step.set_activation(1, Activation::gelu()).unwrap();
    frame(host, &mut step, 4);
    let live = step.into_trainer();
    assert_eq!(live.network().layers()[1].name(), "gelu");

    // Each stage a trainer of its own, from the checkpoint of the one before.
    let data = simulated();
    let stages = [
        (Activation::tanh(), 0.1, 0.01, 0.9),
        (Activation::tanh(), 0.1, 0.002, 0.5),
        (Activation::tanh(), 0.4, 0.002, 0.5),
        (Activation::gelu(), 0.4, 0.002, 0.5),
    ];
    let mut last = None;
    for (f, rate, lr, beta) in stages {
        // A checkpoint of tanh is that of a network of tanh, until the activation changes.
        let mut trainer = builder(Activation::tanh(), rate, lr).on(device).unwrap();
        if last.is_some() {
            trainer.load(&path).unwrap();
        }
        if f != Activation::tanh() {
            let mut step = trainer.into_step(ROWS).unwrap();
            step.set_activation(1, f).unwrap();
            trainer = step.into_trainer();
        }
        trainer.set_optimizer("lr", lr).unwrap();
        trainer.set_optimizer("beta1", beta).unwrap();
        trainer.fit(&data, Fit::epochs(4)).unwrap();
        trainer.save(&path).unwrap();
        last = Some(trainer);
    }
    assert_eq!(bits(&live), bits(&last.unwrap()));
}

#[test]
fn a_change_that_needs_other_memory_is_refused_and_changes_nothing() {
    let host = Host::new();
    let device: Device = one_by_one(&Gpu::from_wgpu(&host.device, &host.queue)).into();
    let mut step =
        builder(Activation::tanh(), 0.1, 0.01).on(&device).unwrap().into_step(ROWS).unwrap();
    fill(&host, &mut step);
    for (layer, f) in [
        (0, Activation::relu()),
        (9, Activation::relu()),
        (1, Activation::glu()),
        (1, Activation::prelu()),
    ] {
        let error = step.set_activation(layer, f).unwrap_err().to_string();
        assert!(!error.contains("internal"), "{error}");
    }
    assert!(step.set_dropout(1.5).unwrap_err().to_string().contains("rate"));
    assert!(step.set_optimizer("warmth", 1.0).is_err());
    frame(&host, &mut step, 5);
    let mut plain = builder(Activation::tanh(), 0.1, 0.01).on(&device).unwrap();
    plain.fit(&simulated(), Fit::epochs(5)).unwrap();
    assert_eq!(bits(&step.into_trainer()), bits(&plain));
    assert_eq!(host.errors.load(Ordering::SeqCst), 0);
}

/// The most steps that one of many frames within a budget held.
fn paced(host: &Host, gpu: &Gpu, budget: Budget) -> u64 {
    let model = Sequential::new(64).dense(64).activation(Activation::tanh()).dense(64);
    let trainer = Trainer::new(model, Loss::mse(), Optimizer::adam()).on(&gpu.clone().into());
    let mut step = trainer.unwrap().into_step(128).unwrap();
    let (mut most, mut first) = (0, None);
    for _ in 0..12 {
        let mut encoder = host.encoder();
        let steps = step.encode_within(&mut encoder, budget).unwrap();
        most = most.max(steps);
        first = first.or(Some(steps));
        host.wait_for(Some(host.queue.submit([encoder.finish()])));
    }
    assert_eq!(first, Some(1), "nothing is known yet");
    most
}

#[test]
fn a_larger_budget_holds_more_steps_with_and_without_timestamps() {
    let descriptor = wgpu::DeviceDescriptor {
        required_features: wgpu::Features::TIMESTAMP_QUERY,
        ..adapter::descriptor()
    };
    let stamped = adapter::try_fresh_with(&descriptor).map(Host::on);
    assert!(stamped.is_some(), "the software adapters have timestamps");
    for host in [Some(Host::new()), stamped].into_iter().flatten() {
        let gpu = Gpu::from_wgpu(&host.device, &host.queue);
        let stamps = host.device.features().contains(wgpu::Features::TIMESTAMP_QUERY);
        // How much fits depends on what else the machine does, but never as much into a microsecond.
        let few = paced(&host, &gpu, Budget::micros(1));
        let many = paced(&host, &gpu, Budget::millis(200));
        println!("timestamps {stamps}: {few} steps in 1 us, {many} in 200 ms");
        assert!(many > few, "{few} and {many}");
        let trainer = builder(Activation::tanh(), 0.1, 0.01).on(&gpu.into()).unwrap();
        let mut step = trainer.into_step(ROWS).unwrap();
        assert!(step.encode_within(&mut host.encoder(), Budget::micros(0)).is_err());
        assert_eq!(host.errors.load(Ordering::SeqCst), 0);
    }
}
