//! Optimizers in whole training runs: resumed, in parameter groups, with hyper-parameters that change.

use crate::support;

use std::ops::ControlFlow;

use support::nets::{bits, devices, directory};
use wgrad::__internal::spec::schedule::Plateau;
use wgrad::ndarray::ArrayD;
use wgrad::prelude::*;

fn model() -> Sequential {
    Sequential::new(2).dense(8).activation(Activation::tanh()).dense(3)
}

fn trainer(optimizer: Optimizer) -> wgrad::train::TrainerBuilder {
    Trainer::new(model(), Loss::cross_entropy(), optimizer)
}

#[test]
fn every_optimizer_resumes_bit_for_bit() {
    let (data, path) =
        (data::spiral(8, 3, 0).unwrap(), directory("optimizers").join("half.safetensors"));
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
    let data = data::spiral(8, 3, 0).unwrap();
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
        let firsts: Vec<f32> =
            trainer.parameters().unwrap().iter().map(|(_, p)| p.as_slice().unwrap()[0]).collect();
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
fn no_optimizer_moves_the_running_means_of_a_batch_norm() {
    let data = data::spiral(8, 3, 0).unwrap();
    // Before every layer with parameters the means depend on the data alone.
    let model = || Sequential::new(2).batch_norm().dense(3);
    for device in devices() {
        let means = |optimizer| {
            let builder = Trainer::new(model(), Loss::cross_entropy(), optimizer);
            let mut trainer = builder.on(&device).unwrap();
            // The heat with which santa_e begins is too much for so few numbers.
            trainer.fit(&data, Fit::epochs(6).batch(8).continue_on_nan()).unwrap();
            let named = trainer.parameters().unwrap().into_iter();
            named.filter(|(name, _)| name.contains("running")).collect::<Vec<_>>()
        };
        let wanted = means(Optimizer::sgd());
        assert!(wanted.len() == 2 && wanted[0].1.iter().all(|mean| *mean != 0.0), "{wanted:?}");
        for optimizer in Optimizer::all().filter(|optimizer| optimizer.validate().is_ok()) {
            assert_eq!(means(optimizer), wanted, "{optimizer} on {device}");
        }
    }
}

#[test]
fn hyper_parameters_change_by_schedule_and_by_hand() {
    let data = data::spiral(8, 3, 0).unwrap();
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
    let data = data::spiral(8, 3, 0).unwrap();
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

/// The largest distance between two sets of parameters.
fn apart(a: &[(String, ArrayD<f32>)], b: &[(String, ArrayD<f32>)]) -> f32 {
    let pairs = a.iter().zip(b).flat_map(|((_, a), (_, b))| a.iter().zip(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn gathered_gradients_are_those_of_the_whole_batch() {
    let data = data::spiral(8, 3, 0).unwrap();
    for device in devices() {
        let train = |builder: wgrad::train::TrainerBuilder, batch: usize| {
            let mut trainer = builder.on(&device).unwrap();
            trainer.fit(&data, Fit::epochs(5).batch(batch)).unwrap();
            trainer.parameters().unwrap()
        };
        let adam = || trainer(Optimizer::adam().learning_rate(0.05));
        let schedule = || Schedule::exponential(0.5).unwrap();
        let whole = train(adam().schedule(schedule()), 24);
        let gathered = train(adam().schedule(schedule()).accumulate(3), 8);
        assert!(apart(&whole, &gathered) < 1e-5, "{device}: {}", apart(&whole, &gathered));
        assert!(apart(&whole, &train(adam().schedule(schedule()), 8)) > 1e-2, "{device}");
    }
    let none = trainer(Optimizer::adam()).accumulate(0).on(&Device::cpu()).unwrap_err();
    assert!(none.to_string().contains("accumulate"), "{none}");
}

#[test]
fn each_tensors_gradient_is_clipped_by_its_own_norm() {
    let data = data::spiral(8, 3, 0).unwrap();
    for device in devices() {
        let one = |builder: wgrad::train::TrainerBuilder| {
            let mut trainer = builder.on(&device).unwrap();
            let before = trainer.parameters().unwrap();
            trainer.fit(&data, Fit::epochs(1)).unwrap();
            let after = trainer.parameters().unwrap();
            let norm = |a: &[f32], b: &[f32]| {
                a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
            };
            before
                .iter()
                .zip(&after)
                .map(|((_, a), (_, b))| norm(a.as_slice().unwrap(), b.as_slice().unwrap()))
                .collect::<Vec<_>>()
        };
        let sgd = || trainer(Optimizer::sgd().learning_rate(1.0));
        let (free, clipped) = (one(sgd()), one(sgd().clip_each(0.02)));
        assert!(
            free.iter().any(|norm| *norm > 0.02) && free.iter().any(|norm| *norm < 0.02),
            "{free:?}"
        );
        for (free, clipped) in free.iter().zip(&clipped) {
            assert!((clipped - free.min(0.02)).abs() < 1e-5, "{clipped} of {free} on {device}");
        }
    }
}

#[test]
fn noise_on_gradients_has_its_deviation_and_is_the_same_on_both_devices() {
    let data = data::spiral(8, 3, 0).unwrap();
    let wide = Sequential::new(2).dense(4000).activation(Activation::tanh()).dense(3);
    let sgd = Optimizer::sgd().learning_rate(1.0);
    let after: Vec<_> = devices()
        .iter()
        .flat_map(|device| {
            [0.0, 0.04].map(|eta| {
                let builder = Trainer::new(wide.clone(), Loss::cross_entropy(), sgd);
                let mut trainer = builder.gradient_noise(eta, 0.5).on(device).unwrap();
                trainer.fit(&data, Fit::epochs(1)).unwrap();
                trainer.parameters().unwrap()
            })
        })
        .collect();
    for pair in after.chunks(2) {
        let noise: Vec<f64> = pair[0]
            .iter()
            .zip(&pair[1])
            .flat_map(|((_, a), (_, b))| a.iter().zip(b).map(|(a, b)| f64::from(b - a)))
            .collect();
        let n = noise.len() as f64;
        let mean = noise.iter().sum::<f64>() / n;
        let deviation = (noise.iter().map(|x| x * x).sum::<f64>() / n).sqrt();
        assert!(mean.abs() < 0.006 && (deviation - 0.2).abs() < 0.005, "{mean} {deviation}");
    }
    assert!(apart(&after[1], &after[3]) < 1e-5);
}

#[test]
fn lbfgs_leaves_frozen_layers_alone_and_refuses_rates_of_their_own() {
    let data = data::spiral(8, 3, 0).unwrap();
    let model =
        |layer: Dense| Sequential::new(2).layer(layer).activation(Activation::tanh()).dense(3);
    let lbfgs = Optimizer::lbfgs().learning_rate(0.5);
    for device in devices() {
        let build = |layer| Trainer::new(model(layer), Loss::cross_entropy(), lbfgs).on(&device);
        let mut trainer = build(Dense::new(16).frozen()).unwrap();
        let before = trainer.parameters().unwrap();
        let history = trainer.fit(&data, Fit::epochs(40)).unwrap();
        let after = trainer.parameters().unwrap();
        assert!(before[..2] == after[..2] && before[2..] != after[2..], "{device}");
        let mut free = build(Dense::new(16)).unwrap();
        let freely = free.fit(&data, Fit::epochs(40)).unwrap();
        let [frozen, free] = [history, freely].map(|history| history.last().unwrap().loss);
        assert!(free < 0.5 * frozen && frozen < 1.1, "{free} {frozen} on {device}");
        let message = build(Dense::new(16).learning_rates(0.5, 1.0)).unwrap_err().to_string();
        assert!(message.contains("0.weight") && message.contains("0.5"), "{message}");
    }
    let mut trainer = Trainer::new(model(Dense::new(4)), Loss::cross_entropy(), lbfgs);
    trainer = trainer.seed(1);
    let mut trainer = trainer.on(&Device::cpu()).unwrap();
    assert!(trainer.set_optimizer("history_size", 7.0).is_err());
    assert!(Optimizer::lbfgs().with("history_size", 201.0).is_err());
}

#[test]
fn skipped_updates_leave_parameters_means_and_schedules_as_they_were() {
    use wgrad::train::Averaging;
    let good = data::spiral(8, 3, 0).unwrap();
    let path = directory("skipped").join("run.safetensors");
    for device in devices() {
        for (value, gathered) in [(f32::NAN, 1), (f32::INFINITY, 3)] {
            let mut x = good.inputs().clone();
            x[[3, 1]] = value;
            let bad = Dataset::keeping_non_finite(x, good.targets().clone()).unwrap();
            let start = || {
                let builder = trainer(Optimizer::adam().learning_rate(0.05)).clip_norm(1.0);
                let builder = builder.schedule(Schedule::exponential(0.7).unwrap());
                let builder = builder.average(Averaging::Ema { decay: 0.5 }).accumulate(gathered);
                builder.accumulate_across_epochs().skip_not_finite().on(&device).unwrap()
            };
            let means = |trainer: &Trainer| -> Vec<Vec<u32>> {
                let means = trainer.averaged_parameters().unwrap();
                means.into_iter().map(|(_, m)| m.into_iter().map(f32::to_bits).collect()).collect()
            };
            let mut whole = start();
            let history = whole.fit(&good, Fit::epochs(6 * gathered)).unwrap();
            assert!(history.epochs.iter().all(|epoch| epoch.skipped == 0));
            let mut broken = start();
            broken.fit(&good, Fit::epochs(3 * gathered)).unwrap();
            let skipping = broken.fit(&bad, Fit::epochs(4 * gathered)).unwrap();
            let skipped: u64 = skipping.epochs.iter().map(|epoch| epoch.skipped).sum();
            assert_eq!(skipped, 4, "{device}");
            let rate = history.epochs[3 * gathered as usize - 1].rate;
            // Due, but never done: the rate of the update that follows.
            let next = history.epochs[3 * gathered as usize].rate;
            assert!(skipping.epochs.iter().all(|epoch| epoch.rate == rate || epoch.rate == next));
            broken.save(&path).unwrap();
            let mut broken = start();
            broken.load(&path).unwrap();
            broken.fit(&good, Fit::epochs(3 * gathered)).unwrap();
            assert_eq!(bits(&broken), bits(&whole), "{device}");
            assert_eq!(means(&broken), means(&whole), "{device}");
        }
        // Without it, a bad batch is the end.
        let mut x = good.inputs().clone();
        x[[0, 0]] = f32::NAN;
        let bad = Dataset::keeping_non_finite(x, good.targets().clone()).unwrap();
        let mut lost = trainer(Optimizer::adam()).on(&device).unwrap();
        lost.fit(&bad, Fit::epochs(1).continue_on_nan()).unwrap();
        assert!(lost.parameters().unwrap().iter().any(|(_, p)| p.iter().any(|p| p.is_nan())));
    }
}

#[test]
fn means_of_the_parameters_are_those_of_their_formulas() {
    use wgrad::train::Averaging;
    let data = data::spiral(8, 3, 0).unwrap();
    for device in devices() {
        for average in [
            Averaging::Ema { decay: 0.75 },
            Averaging::Swa { start: 3, every: 2 },
            Averaging::Lookahead { every: 3, alpha: 0.5 },
        ] {
            let builder = trainer(Optimizer::adam().learning_rate(0.05)).average(average);
            let mut trainer = builder.on(&device).unwrap();
            let mut mean = trainer.parameters().unwrap();
            let mut points = 0.0;
            for update in 1..=8u64 {
                trainer.fit(&data, Fit::epochs(1)).unwrap();
                let raw = trainer.parameters().unwrap();
                let weight = match average {
                    Averaging::Ema { decay } => 1.0 - decay as f32,
                    Averaging::Swa { .. } if [3, 5, 7].contains(&update) => {
                        points += 1.0;
                        1.0 / points
                    }
                    Averaging::Lookahead { .. } if update % 3 == 0 => {
                        // The parameters are the mean; where they came from is gone, but not that they are equal.
                        mean = trainer.averaged_parameters().unwrap();
                        assert_eq!(raw, mean, "{average:?} on {device}");
                        0.0
                    }
                    _ => 0.0,
                };
                for ((_, mean), (_, raw)) in mean.iter_mut().zip(&raw) {
                    mean.iter_mut().zip(raw).for_each(|(m, p)| *m += weight * (p - *m));
                }
                let got = trainer.averaged_parameters().unwrap();
                assert!(apart(&got, &mean) < 1e-6, "{average:?}, update {update} on {device}");
            }
            let raw = trainer.parameters().unwrap();
            let inside = trainer.with_averaged(|trainer| trainer.parameters()).unwrap();
            assert!(apart(&inside, &mean) < 1e-6 && trainer.parameters().unwrap() == raw);
        }
        // Half-way between start and the third point.
        let fast = trainer(Optimizer::sgd().learning_rate(0.1));
        let slow = fast.clone().average(Averaging::Lookahead { every: 3, alpha: 0.5 });
        let [start, fast, slow] =
            [(fast.clone(), 0), (fast, 3), (slow, 3)].map(|(builder, epochs)| {
                let mut trainer = builder.on(&device).unwrap();
                if epochs > 0 {
                    trainer.fit(&data, Fit::epochs(epochs)).unwrap();
                }
                trainer.parameters().unwrap()
            });
        for (((_, start), (_, fast)), (_, slow)) in start.iter().zip(&fast).zip(&slow) {
            for ((start, fast), slow) in start.iter().zip(fast).zip(slow) {
                assert!((slow - 0.5 * (start + fast)).abs() < 1e-6, "{device}");
            }
        }
        let mut plain = trainer(Optimizer::sgd()).on(&device).unwrap();
        let message = plain.with_averaged(|t| t.evaluate(&data)).unwrap_err().to_string();
        assert!(message.contains("no mean"), "{message}");
    }
}

#[test]
fn schedule_free_and_asgd_give_their_own_means() {
    let data = data::spiral(30, 3, 0).unwrap();
    for device in devices() {
        let optimizer = Optimizer::schedule_free_adamw().learning_rate(0.05);
        let early = trainer(optimizer).accumulate(3).accumulate_across_epochs();
        let mut early = early.on(&device).unwrap();
        early.fit(&data, Fit::epochs(2)).unwrap();
        assert_eq!(early.averaged_parameters().unwrap(), early.parameters().unwrap(), "{device}");
        let mut free = trainer(optimizer).on(&device).unwrap();
        free.fit(&data, Fit::epochs(200)).unwrap();
        let averaged = free.with_averaged(|trainer| trainer.evaluate(&data)).unwrap();
        assert!(averaged.loss() < 1.0, "{averaged:?} on {device}");
        let asgd = Optimizer::asgd().with("t0", 2.0).unwrap();
        let mut trainer = trainer(asgd).on(&device).unwrap();
        trainer.fit(&data, Fit::epochs(10)).unwrap();
        let (raw, mean) = (trainer.parameters().unwrap(), trainer.averaged_parameters().unwrap());
        assert!(apart(&raw, &mean) > 0.0 && apart(&raw, &mean) < 0.1, "{device}");
    }
}

#[test]
fn everything_around_the_update_resumes_bit_for_bit() {
    use wgrad::train::Averaging;
    let data = data::spiral(8, 3, 0).unwrap();
    let path = directory("around").join("half.safetensors");
    for device in devices() {
        let start = |seed| {
            let builder = trainer(Optimizer::adam().learning_rate(0.01)).seed(seed).accumulate(3);
            let builder = builder.accumulate_across_epochs();
            let builder = builder.clip_each(0.5).gradient_noise(0.01, 0.55);
            builder.average(Averaging::Ema { decay: 0.9 }).on(&device).unwrap()
        };
        let (mut whole, mut half, mut resumed) = (start(1), start(1), start(2));
        whole.fit(&data, Fit::epochs(8)).unwrap();
        half.fit(&data, Fit::epochs(4)).unwrap();
        half.save(&path).unwrap();
        resumed.load(&path).unwrap();
        resumed.fit(&data, Fit::epochs(4)).unwrap();
        assert_eq!(bits(&resumed), bits(&whole), "{device}");
        let means = [&whole, &resumed].map(|trainer| trainer.averaged_parameters().unwrap());
        assert_eq!(means[0], means[1], "{device}");
    }
}
