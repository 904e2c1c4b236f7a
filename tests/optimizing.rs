//! Optimizers in whole training runs: resumed, in parameter groups, with hyper-parameters that change.

mod support;

use std::ops::ControlFlow;

use support::nets::{bits, devices, directory};
use wgrad::prelude::*;
use wgrad::spec::schedule::Plateau;

fn model() -> Sequential {
    Sequential::new(2).dense(8).activation(Activation::tanh()).dense(3)
}

fn trainer(optimizer: Optimizer) -> wgrad::train::TrainerBuilder {
    Trainer::new(model(), Loss::cross_entropy(), optimizer)
}

#[test]
fn every_optimizer_resumes_bit_for_bit() {
    let (data, path) = (data::spiral(8, 3, 0), directory("optimizers").join("half.safetensors"));
    let mut count = 0;
    for device in devices() {
        for optimizer in Optimizer::all() {
            let optimizer = optimizer.learning_rate(1e-3);
            let start = |seed| trainer(optimizer).seed(seed).on(&device).unwrap();
            let mut whole = start(1);
            whole.fit(&data, Fit::epochs(7)).unwrap();
            let mut half = start(1);
            half.fit(&data, Fit::epochs(4)).unwrap();
            half.save(&path).unwrap();
            let mut resumed = start(2);
            resumed.load(&path).unwrap();
            resumed.fit(&data, Fit::epochs(3)).unwrap();
            assert_eq!(bits(&resumed), bits(&whole), "{optimizer} on {device}");
            count += 1;
        }
    }
    println!("{count} runs");
}

#[test]
fn frozen_layers_stay_and_decay_masks_and_rates_hold() {
    let data = data::spiral(8, 3, 0);
    for device in devices() {
        // Without a gradient's part in it: a learning rate of 1, decoupled decay 0.1, gradients clipped to nothing.
        let optimizer = Optimizer::sgd().learning_rate(1.0).weight_decay(0.1);
        let optimizer = optimizer.with("decoupled", 1.0).unwrap();
        let ones = || Dense::new(3).weights(Initializer::ones()).biases(Initializer::ones());
        let model = Sequential::new(2)
            .layer(ones().frozen())
            .layer(ones().decays(true, false))
            .layer(ones().learning_rates(0.5, 2.0));
        let builder = Trainer::new(model, Loss::cross_entropy(), optimizer).clip_value(1e-12);
        let mut trainer = builder.on(&device).unwrap();
        trainer.fit(&data, Fit::epochs(1)).unwrap();
        let firsts: Vec<f32> = trainer.parameters().unwrap().iter().map(|(_, p)| p[0]).collect();
        let wanted = [1.0, 1.0, 0.9, 1.0, 0.95, 0.8];
        for (got, want) in firsts.iter().zip(wanted) {
            assert!((got - want).abs() < 1e-6, "{firsts:?} on {device}");
        }
    }
    let wrong = Sequential::new(2).layer(Dense::new(2).learning_rates(-1.0, 1.0)).build();
    let message = wrong.unwrap_err().to_string();
    assert!(message.contains("learning_rates") && message.contains("-1"), "{message}");
}

#[test]
fn hyper_parameters_change_by_schedule_and_by_hand() {
    let data = data::spiral(8, 3, 0);
    let sgd = |momentum: f64| Optimizer::sgd().with("momentum", momentum).unwrap();
    for device in devices() {
        let run = |builder: wgrad::train::TrainerBuilder| {
            let mut trainer = builder.on(&device).unwrap();
            trainer.fit(&data, Fit::epochs(3)).unwrap();
            trainer
        };
        // Momentum 0.5 for two steps and 0.9 from then on, said in three ways.
        let rule = Schedule::custom("late", |step, most| if step < 2 { 0.5 } else { most });
        let scheduled = run(trainer(sgd(0.9)).schedule_of("momentum", rule));
        let mut by_hand = trainer(sgd(0.5)).on(&device).unwrap();
        by_hand.fit(&data, Fit::epochs(2)).unwrap();
        by_hand.set_optimizer("momentum", 0.9).unwrap();
        by_hand.fit(&data, Fit::epochs(1)).unwrap();
        assert_eq!(bits(&scheduled), bits(&by_hand), "{device}");
        assert_ne!(bits(&scheduled), bits(&run(trainer(sgd(0.9)))), "{device}");

        let message = by_hand.set_optimizer("momentum", 0.0).unwrap_err().to_string();
        assert!(message.contains("state"), "{message}");
        assert!(by_hand.set_optimizer("lr", -1.0).is_err());
        let unknown = trainer(sgd(0.9)).schedule_of("beta1", Schedule::constant()).on(&device);
        assert!(unknown.unwrap_err().to_string().contains("beta1"));
    }
}

#[test]
fn a_plateau_lowers_the_rate_and_is_resumed() {
    let data = data::spiral(8, 3, 0);
    let path = directory("plateau").join("run.safetensors");
    // Nothing improves by half: a reduction every third epoch after the first.
    let plateau = Plateau { factor: 0.5, patience: 2, threshold: 0.5, ..Plateau::default() };
    for device in devices() {
        let start =
            || trainer(Optimizer::sgd().learning_rate(0.1)).plateau(plateau).on(&device).unwrap();
        let mut whole = start();
        let mut rates = Vec::new();
        let fit = Fit::epochs(8).each(1, |epoch| {
            rates.push(epoch.rate);
            ControlFlow::Continue(())
        });
        whole.fit(&data, fit).unwrap();
        assert_eq!(rates, [0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025], "{device}");
        let mut half = start();
        half.fit(&data, Fit::epochs(5)).unwrap();
        half.save(&path).unwrap();
        let mut resumed = start();
        resumed.load(&path).unwrap();
        resumed.fit(&data, Fit::epochs(3)).unwrap();
        assert_eq!(bits(&resumed), bits(&whole), "{device}");
    }
    let wrong = Plateau { factor: 1.5, ..plateau };
    let message = trainer(Optimizer::sgd()).plateau(wrong).on(&Device::cpu()).unwrap_err();
    assert!(message.to_string().contains("factor"), "{message}");
}
