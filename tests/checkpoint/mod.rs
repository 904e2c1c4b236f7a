//! Checkpoints: what is resumed goes on bit for bit, what is damaged or foreign is refused, and PyTorch reads them.

use crate::support;

mod bytes;
mod files;
mod model;
mod mutated;
mod settings;
mod torch;
mod weights;

use std::fs;
use std::path::Path;

use support::nets::{self, Net, bits, devices, directory};
use wgrad::ndarray::Array2;
use wgrad::prelude::*;

#[test]
fn a_run_resumed_at_step_50_is_at_step_100_what_the_uninterrupted_run_is() {
    let path = directory("resumed").join("half.safetensors");
    for device in devices() {
        // 50 steps are 50 epochs of the full batch, or five epochs of ten batches.
        for (net, half) in [(nets::spiral(), 50), (nets::digits(), 5)] {
            let mut whole = net.on(&device);
            let history = net.train(&mut whole, 2 * half);

            let mut first = net.on(&device);
            net.train(&mut first, half);
            assert_eq!(first.step(), 50);
            first.save(&path).unwrap();
            // Another seed, so that nothing is right by chance before the checkpoint is read.
            let mut resumed = net.builder.clone().seed(99).on(&device).unwrap();
            resumed.load(&path).unwrap();
            assert_eq!((resumed.step(), resumed.epoch()), (50, half));
            assert_eq!(bits(&resumed), bits(&first), "{} on {device}", net.name);
            let rest = net.train(&mut resumed, half);

            assert_eq!(bits(&resumed), bits(&whole), "{} on {device}", net.name);
            assert_eq!(rest.epochs, history.epochs[half as usize..], "{} on {device}", net.name);
        }
    }
}

#[test]
fn a_checkpoint_of_one_device_is_read_on_the_other() {
    let path = directory("across").join("run.safetensors");
    let [cpu, gpu] = devices();
    for (from, to) in [(&cpu, &gpu), (&gpu, &cpu)] {
        let net = nets::digits();
        let (mut saved, mut loaded) = (net.on(from), net.on(to));
        net.train(&mut saved, 2);
        saved.save(&path).unwrap();
        loaded.load(&path).unwrap();
        assert_eq!(bits(&loaded), bits(&saved));
        let [one, other] =
            [&mut saved, &mut loaded].map(|t| net.train(t, 1).last().unwrap().clone());
        assert!((one.loss - other.loss).abs() < 1e-5 * one.loss, "{one} and {other}");
    }
}

/// A trainer that has taken some steps and a checkpoint of a later state of it.
fn with_checkpoint(net: &Net, device: &Device, path: &Path) -> Trainer {
    let mut trainer = net.on(device);
    net.train(&mut trainer, 2);
    trainer.save(path).unwrap();
    let mut trainer = net.on(device);
    net.train(&mut trainer, 1);
    trainer
}

/// The message with which a checkpoint is refused, after a check that nothing else happened.
#[track_caller]
fn refused(trainer: &mut Trainer, path: &Path) -> String {
    let before = (bits(trainer), trainer.step(), trainer.epoch());
    let error = trainer.load(path).unwrap_err();
    assert_eq!((bits(trainer), trainer.step(), trainer.epoch()), before);
    error.to_string()
}

#[test]
fn a_damaged_checkpoint_is_refused_and_the_trainer_unchanged() {
    let directory = directory("damaged");
    let net = nets::digits();
    let path = directory.join("run.safetensors");
    for device in devices() {
        for damaged in ["run.safetensors", "run.state.safetensors"] {
            let file = directory.join(damaged);
            let mut trainer = with_checkpoint(&net, &device, &path);
            let whole = fs::read(&file).unwrap();
            for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
                fs::write(&file, &whole[..length]).unwrap();
                let message = refused(&mut trainer, &path);
                assert!(
                    message.starts_with("checkpoint: ") && message.contains(damaged),
                    "{message}"
                );
            }
            fs::write(&file, "these are not tensors, but some text of some length").unwrap();
            assert!(refused(&mut trainer, &path).contains(damaged));
            fs::remove_file(&file).unwrap();
            assert!(refused(&mut trainer, &path).contains(damaged));

            // What was refused left no trace in what follows either.
            let mut untouched = net.on(&device);
            net.train(&mut untouched, 1);
            assert_eq!(net.train(&mut trainer, 1), net.train(&mut untouched, 1));
            assert_eq!(bits(&trainer), bits(&untouched));
        }
    }
}

#[test]
fn a_foreign_checkpoint_is_refused_and_says_what_differs() {
    let directory = directory("foreign");
    let (net, path) = (nets::spiral(), directory.join("run.safetensors"));
    let mut trainer = with_checkpoint(&net, &Device::cpu(), &path);
    let other = |model: Sequential, optimizer| {
        let path = directory.join("other.safetensors");
        let trainer = Trainer::new(model, Loss::cross_entropy(), optimizer).on(&Device::cpu());
        trainer.unwrap().save(&path).unwrap();
        path
    };
    let model = |width| Sequential::new(2).dense(width).activation(Activation::relu()).dense(3);

    let wider = other(model(65), Optimizer::adam());
    assert!(refused(&mut trainer, &wider).contains("expected F32 [64"));
    let deeper = other(model(64).dense(3), Optimizer::adam());
    assert!(refused(&mut trainer, &deeper).contains("a tensor '3."));
    let shallow = other(Sequential::new(2).dense(64), Optimizer::adam());
    assert!(refused(&mut trainer, &shallow).contains("no tensor '2.weight' of shape [3, 64]"));
    let sgd = other(model(64), Optimizer::sgd());
    assert!(refused(&mut trainer, &sgd).contains("sgd"));

    // The weights of one checkpoint with the state of another.
    let adam = other(model(64), Optimizer::adam());
    fs::copy(adam, &path).unwrap();
    assert!(refused(&mut trainer, &path).contains("does not belong to the weights"));
}

#[test]
fn a_save_that_was_cut_short_leaves_a_checkpoint_that_loads() {
    let directory = directory("cut");
    let (net, path) = (nets::spiral(), directory.join("run.safetensors"));
    let state = directory.join("run.state.safetensors");
    let mut trainer = with_checkpoint(&net, &Device::cpu(), &path);
    let old_state = fs::read(&state).unwrap();
    let old = (trainer.step(), bits(&trainer));

    // Before anything took its place: the partial file of a state alone, whole or torn.
    fs::write(directory.join("run.state.partial"), &old_state[..99]).unwrap();
    trainer.load(&path).unwrap();
    assert_eq!(trainer.step(), 2);
    assert_ne!((trainer.step(), bits(&trainer)), old);

    // Between the two files: new weights, the new state still under its partial name.
    net.train(&mut trainer, 3);
    trainer.save(&path).unwrap();
    fs::rename(&state, directory.join("run.state.partial")).unwrap();
    fs::write(&state, old_state).unwrap();
    let mut resumed = net.on(&Device::cpu());
    resumed.load(&path).unwrap();
    assert_eq!((resumed.step(), bits(&resumed)), (5, bits(&trainer)));
    assert_eq!(net.train(&mut resumed, 2), net.train(&mut trainer, 2));
    assert!(!directory.join("run.state.partial").exists());
}

#[test]
fn tilings_that_were_measured_go_with_the_checkpoint_to_the_same_adapter() {
    let tilings = |trainer: &Trainer| match trainer.device() {
        Device::Gpu(gpu) => gpu.tuning().to_string(),
        Device::Cpu => String::new(),
    };
    let path = directory("tuned").join("run.safetensors");
    let [cpu, gpu] = devices();
    let x = Array2::from_shape_fn((8, 3), |(row, col)| (row * 3 + col) as f32);
    let data = Dataset::new(x.clone(), wgrad::data::Targets::Values(x)).unwrap();
    let model = Sequential::new(3).dense(4).activation(Activation::tanh()).dense(3);
    let builder = Trainer::new(model, Loss::mse(), Optimizer::adam());
    let mut tuned = builder.clone().on(&gpu).unwrap();
    assert!(tuned.tune(&data, 0).is_err());
    tuned.tune(&data, 5).unwrap();
    // Two layers forward, two weights' gradients, one input's.
    assert_eq!(tilings(&tuned).lines().count(), 5);
    assert!(tilings(&tuned).contains("nt 5 x 3 x 4 x 1: "), "{}", tilings(&tuned));
    tuned.fit(&data, Fit::epochs(1).batch(5)).unwrap();
    tuned.save(&path).unwrap();
    for device in [&gpu, &cpu] {
        let mut loaded = builder.clone().on(device).unwrap();
        loaded.load(&path).unwrap();
        assert_eq!(bits(&loaded), bits(&tuned));
        let expected =
            if matches!(device, Device::Gpu(_)) { tilings(&tuned) } else { String::new() };
        assert_eq!(tilings(&loaded), expected);
    }
}
