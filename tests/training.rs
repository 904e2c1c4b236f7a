//! Whole training runs: both devices agree, runs repeat bit for bit, batches and stopping do what they say.

use crate::support;

use std::cell::Cell;
use std::ops::ControlFlow;

use support::nets::{self, bits, devices};
use wgrad::data::Targets;
use wgrad::embed::{Choices, Fusion};
use wgrad::ndarray::{Array2, array};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::train::EarlyStopping;

fn losses(history: &History) -> Vec<f64> {
    history.epochs.iter().map(|epoch| epoch.loss).collect()
}

#[test]
fn both_devices_have_the_same_losses_in_the_first_ten_steps() {
    let two_steps = |net: nets::Net| {
        let (rows, batch) = (net.data.rows(0..20).unwrap(), net.batch);
        nets::Net { data: rows, batch, ..net }
    };
    for (net, epochs) in [(nets::sine(), 10), (nets::spiral(), 10), (two_steps(nets::digits()), 5)]
    {
        let [cpu, gpu] = devices().map(|device| net.train(&mut net.on(&device), epochs));
        for (cpu, gpu) in cpu.epochs.iter().zip(&gpu.epochs) {
            let far = (cpu.loss - gpu.loss).abs() / cpu.loss;
            assert!(far < 1e-4, "{}, {far:e} apart: {cpu} and {gpu}", net.name);
            assert_eq!((cpu.epoch, cpu.rate), (gpu.epoch, gpu.rate), "{}", net.name);
        }
        assert_eq!(gpu.epochs.len() as u64, epochs);
    }
}

#[test]
fn the_reference_runs_reach_their_goal_on_both_devices() {
    for device in devices() {
        let (sine, spiral) = (nets::sine(), nets::spiral());
        let mut trainer = sine.on(&device);
        let loss = sine.train(&mut trainer, 300).last().unwrap().loss;
        assert!(loss < 2e-3, "sine on {device}: {loss}");
        let mut trainer = spiral.on(&device);
        spiral.train(&mut trainer, 300);
        let evaluation = trainer.evaluate(&spiral.data).unwrap();
        assert!(evaluation.accuracy() > 0.8, "spiral on {device}: {evaluation:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_bits_again() {
    for device in devices() {
        for net in [nets::spiral(), nets::digits()] {
            let run = |seed| {
                let mut trainer = net.builder.clone().seed(seed).on(&device).unwrap();
                let history = net.train(&mut trainer, 3);
                (bits(&trainer), losses(&history))
            };
            let first = run(5);
            assert_eq!(first, run(5), "{} on {device}", net.name);
            assert_ne!(first, run(6), "{} on {device}", net.name);
        }
    }
}

#[test]
fn training_in_two_calls_is_training_in_one() {
    for device in devices() {
        for net in [nets::spiral(), nets::digits()] {
            let (mut once, mut twice) = (net.on(&device), net.on(&device));
            let whole = net.train(&mut once, 7);
            let mut parts = net.train(&mut twice, 3);
            // What lies between must not disturb it.
            twice.evaluate(&net.data).unwrap();
            twice.predict(net.data.inputs().view()).unwrap();
            parts.epochs.extend(net.train(&mut twice, 4).epochs);
            assert_eq!(parts, whole, "{} on {device}", net.name);
            assert_eq!(bits(&twice), bits(&once), "{} on {device}", net.name);
        }
    }
}

/// Rows with a target that is not quite linear in them.
fn ten_rows() -> Dataset {
    let inputs = Array2::from_shape_fn((10, 2), |(row, col)| ((3 * row + 5 * col) as f32).sin());
    let targets = inputs.map_axis(wgrad::ndarray::Axis(1), |x| 2.0 * x[0] - x[1] * x[1]);
    Dataset::new(inputs, targets.insert_axis(wgrad::ndarray::Axis(1))).unwrap()
}

#[test]
fn batches_of_four_of_ten_rows_are_four_four_and_two_in_the_order_of_the_epoch() {
    let (data, seed, rate, epochs) = (ten_rows(), 3, 0.1, 2);
    let weights = Initializer::normal();
    let model = Sequential::new(2).layer(Dense::new(1).weights(weights));
    let network = model.build().unwrap();
    let order = Key::new(seed, Stream::Shuffle);

    // The same in plain arithmetic.
    let initial = network.initial(seed);
    let mut w: Vec<f64> = initial.concat().into_iter().map(f64::from).collect();
    let mut want = Vec::new();
    for epoch in 0..epochs {
        let places: Vec<usize> = (0..10).map(|at| order.permute(epoch, at, 10) as usize).collect();
        let mut total = 0.0;
        for batch in places.chunks(4) {
            let mut grad = [0.0; 3];
            for &row in batch {
                let x = data.inputs().row(row).mapv(f64::from);
                let target = f64::from(data.targets().values().unwrap()[[row, 0]]);
                let error = w[0] * x[0] + w[1] * x[1] + w[2] - target;
                total += error * error;
                for (grad, x) in grad.iter_mut().zip([x[0], x[1], 1.0]) {
                    *grad += 2.0 * error * x / batch.len() as f64;
                }
            }
            w.iter_mut().zip(grad).for_each(|(w, grad)| *w -= rate * grad);
        }
        want.push(total / 10.0);
    }

    for device in devices() {
        let mut trainer =
            Trainer::new(model.clone(), Loss::mse(), Optimizer::sgd().learning_rate(rate))
                .seed(seed)
                .on(&device)
                .unwrap();
        let history = trainer.fit(&data, Fit::epochs(u64::from(epochs)).batch(4)).unwrap();
        assert_eq!(trainer.step(), 6);
        for (got, want) in losses(&history).iter().zip(&want) {
            assert!((got - want).abs() < 1e-6 * want, "on {device}: {got} {want}");
        }
        let got: Vec<f32> = trainer.parameters().unwrap().into_iter().flat_map(|p| p.1).collect();
        for (got, want) in got.iter().zip(&w) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "on {device}: {got} {want}");
        }
    }
}

#[test]
fn evaluation_in_several_chunks_is_the_figure_of_all_rows() {
    // More rows than one chunk has, and not a multiple of it.
    let data = data::sine(9001).unwrap();
    for device in devices() {
        let mut trainer = nets::sine().on(&device);
        let predicted = trainer.predict(data.inputs().view()).unwrap();
        let targets = data.targets().values().unwrap();
        let errors = (&predicted - targets).mapv(f64::from);
        let mse = errors.pow2().mean().unwrap();
        let evaluation = trainer.evaluate(&data).unwrap();
        assert_eq!(predicted.dim(), (9001, 1));
        assert!((evaluation.loss() - mse).abs() < 1e-6 * mse, "on {device}: {evaluation:?} {mse}");
        assert_eq!(trainer.evaluate(&data).unwrap(), evaluation, "on {device}");
    }
}

#[test]
fn evaluation_leaves_dropout_out_and_changes_nothing() {
    for device in devices() {
        let net = nets::digits();
        let mut trainer = net.on(&device);
        let before = bits(&trainer);
        let first = trainer.evaluate(&net.data).unwrap();
        assert_eq!(trainer.evaluate(&net.data).unwrap(), first, "on {device}");
        assert_eq!((bits(&trainer), trainer.step(), trainer.epoch()), (before, 0, 0));
    }
}

#[test]
fn a_callback_is_called_at_its_epochs_and_may_stop_training() {
    let net = nets::spiral();
    let mut trainer = net.on(&Device::cpu());
    let mut seen = Vec::new();
    let watch = |epoch: &wgrad::train::Epoch| {
        seen.push(epoch.epoch);
        ControlFlow::Continue(())
    };
    let history = trainer.fit(&net.data, Fit::epochs(12).each(5, watch)).unwrap();
    assert_eq!((seen, history.epochs.len()), (vec![0, 5, 10, 11], 12));
    assert!(!history.stopped_early);

    let calls = Cell::new(0);
    let stop = |_: &wgrad::train::Epoch| {
        calls.set(calls.get() + 1);
        if calls.get() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let history = trainer.fit(&net.data, Fit::epochs(100).each(2, stop)).unwrap();
    assert_eq!((calls.get(), history.epochs.len(), history.stopped_early), (3, 5, true));
    assert_eq!((trainer.step(), trainer.epoch()), (17, 17));
}

#[test]
fn stopping_in_a_callback_does_not_change_when_checkpoints_are_written() {
    let directory = nets::directory("stopped");
    let net = nets::spiral();
    for (stop, epochs, saved) in [(5, 7, true), (3, 10, false)] {
        let path = directory.join(format!("{stop}.safetensors"));
        let mut trainer = net.on(&Device::cpu());
        let until = move |epoch: &wgrad::train::Epoch| {
            if epoch.epoch + 1 == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        trainer.fit(&net.data, Fit::epochs(epochs).each(1, until).checkpoint(&path, 5)).unwrap();
        assert_eq!((trainer.epoch(), path.exists()), (stop, saved));
    }
}

#[test]
fn early_stopping_waits_for_its_patience_and_restores_the_best() {
    for device in devices() {
        // A rate so large that the loss only grows after the first steps.
        let model = Sequential::new(2).dense(1);
        let sgd = Optimizer::sgd().learning_rate(1.5);
        let mut trainer = Trainer::new(model, Loss::mse(), sgd).on(&device).unwrap();
        let early = EarlyStopping { patience: 4, min_delta: 0.0, restore_best: true };
        let data = ten_rows();
        let fit = Fit::epochs(200).validate(&data).early_stopping(early);
        let history = trainer.fit(&data, fit).unwrap();
        let losses: Vec<f64> =
            history.epochs.iter().map(|e| e.validation.as_ref().unwrap().loss()).collect();
        let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
        let place = losses.iter().position(|loss| *loss == best).unwrap();
        assert!(history.stopped_early && losses.len() == place + 6, "on {device}: {losses:?}");
        assert_eq!(trainer.evaluate(&data).unwrap().loss(), best, "on {device}");
    }
}

#[test]
fn a_validation_split_trains_on_the_rest_and_judges_by_the_fraction() {
    let data = data::spiral(100, 3, 0).unwrap();
    let net = nets::spiral();
    let mut trainer = net.on(&Device::cpu());
    let history = trainer.fit(&data, Fit::epochs(20).validation_split(0.25)).unwrap();
    let (training, validation) = data.split(0.75, 0).unwrap();
    let mut by_hand = net.on(&Device::cpu());
    by_hand.fit(&training, Fit::epochs(20)).unwrap();
    assert_eq!(bits(&trainer), bits(&by_hand));
    let judged = by_hand.evaluate(&validation).unwrap();
    assert_eq!(history.last().unwrap().validation.as_ref(), Some(&judged));
}

#[test]
fn a_row_alone_and_a_batch_of_one_row_train() {
    for device in devices() {
        let row = Dataset::new(array![[1.0, 2.0]], array![[3.0]]).unwrap();
        let model = Sequential::new(2).dense(1);
        let sgd = Optimizer::sgd().learning_rate(0.05);
        let mut trainer = Trainer::new(model, Loss::mse(), sgd).on(&device).unwrap();
        trainer.fit(&row, Fit::epochs(50)).unwrap();
        let answer = trainer.predict(row.inputs().view()).unwrap()[[0, 0]];
        assert!((answer - 3.0).abs() < 1e-3, "on {device}: {answer}");
        trainer.fit(&ten_rows(), Fit::epochs(1).batch(1)).unwrap();
        assert_eq!(trainer.step(), 60);
    }
}

#[test]
fn a_row_of_weight_three_trains_as_that_row_three_times_and_one_of_weight_zero_as_none() {
    let x = Array2::from_shape_fn((6, 2), |(i, col)| {
        (i as f32 - 2.5) * if col == 0 { 0.5 } else { -0.25 }
    });
    let classes = |labels: &[u32]| Targets::Classes { labels: labels.to_vec(), classes: 3 };
    let plain = Dataset::new(x.view(), classes(&[0, 1, 2, 0, 1, 2])).unwrap();
    let repeated = plain.rows([0, 0, 0, 1, 3, 4, 5]).unwrap();
    let weighted = plain.clone().weighted(vec![3.0, 1.0, 0.0, 1.0, 1.0, 1.0]).unwrap();
    for device in devices() {
        let train = |data: &Dataset, fit: Fit<'_>| {
            let model = Sequential::new(2).dense(4).activation(Activation::tanh()).dense(3);
            let mut trainer =
                Trainer::new(model, Loss::cross_entropy(), Optimizer::sgd().learning_rate(0.1))
                    .reduction(Reduction::Sum)
                    .on(&device)
                    .unwrap();
            let history = trainer.fit(data, fit).unwrap();
            let loss = trainer.evaluate(data).unwrap().data_loss;
            let parameters = trainer.parameters().unwrap();
            (history, loss, parameters.into_iter().flat_map(|(_, p)| p).collect::<Vec<f32>>())
        };
        let (_, loss, left) = train(&repeated, Fit::epochs(10));
        let (_, weighted_loss, right) = train(&weighted, Fit::epochs(10));
        let far = left.iter().zip(&right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(far < 1e-6, "{device}: {far}");
        assert!((loss - weighted_loss).abs() < 1e-5 * loss, "{device}: {loss}, {weighted_loss}");
        // In batches the weights travel with their rows: on both devices the same way.
        let (history, ..) = train(&weighted, Fit::epochs(5).batch(4));
        let [cpu, gpu] = devices().map(|device| {
            let model = Sequential::new(2).dense(3);
            let mut trainer =
                Trainer::new(model, Loss::cross_entropy(), Optimizer::adam()).on(&device).unwrap();
            losses(&trainer.fit(&weighted, Fit::epochs(5).batch(4)).unwrap())
        });
        assert!(history.epochs.iter().all(|epoch| epoch.loss.is_finite()));
        assert!(cpu.iter().zip(&gpu).all(|(a, b)| (a - b).abs() < 1e-5), "{cpu:?} {gpu:?}");
    }
    let refused = plain_refusals(&x);
    assert!(refused.iter().all(|message| message.contains("dataset.weighted")), "{refused:?}");
}

/// What wrong weights are answered with.
fn plain_refusals(x: &Array2<f32>) -> Vec<String> {
    let data = || Dataset::new(x.view(), x.clone()).unwrap();
    [vec![1.0; 5], vec![1.0, f32::NAN, 1.0, 1.0, 1.0, 1.0]]
        .map(|weights| data().weighted(weights).unwrap_err().to_string())
        .to_vec()
}

/// Rows of two features; most of the first half are of class 0, most of the second of class 2.
fn uneven(rows: usize) -> Dataset {
    let x =
        Array2::from_shape_fn((rows, 2), |(i, col)| ((i * 7 + 3 * col) % 11) as f32 / 5.0 - 1.0);
    let label = |i: usize| if i.is_multiple_of(5) { 1 } else { 2 * (2 * i / rows) as u32 };
    Dataset::new(x, Targets::Classes { labels: (0..rows).map(label).collect(), classes: 3 })
        .unwrap()
}

/// The mean over all rows of a data set as PyTorch defines it, from the network's own outputs.
fn weighted_mean(trainer: &mut Trainer, data: &Dataset, weights: [f64; 3], ignored: u32) -> f64 {
    let scores = trainer.predict(data.inputs().view()).unwrap();
    let (mut total, mut divisor) = (0.0, 0.0);
    for (row, &label) in scores.outer_iter().zip(data.targets().labels().unwrap()) {
        if label != ignored {
            let weight = weights[label as usize];
            let sum: f64 = row.iter().map(|&x| f64::from(x).exp()).sum();
            total += weight * (sum.ln() - f64::from(row[label as usize]));
            divisor += weight;
        }
    }
    total / divisor
}

fn classifier(loss: &str, device: &Device, weights: Option<&[f32]>, rate: f64) -> Trainer {
    let model = Sequential::new(2).dense(4).activation(Activation::tanh()).dense(3);
    let optimizer = Optimizer::sgd().learning_rate(rate);
    let builder = Trainer::new(model, loss.parse().unwrap(), optimizer);
    let builder = match weights {
        Some(weights) => builder.class_weights(weights),
        None => builder,
    };
    builder.on(device).unwrap()
}

#[test]
fn a_mean_by_class_weights_is_that_of_all_rows_whatever_the_batches() {
    let weights = [0.25f32, 1.0, 4.0];
    let exact = weights.map(f64::from);
    for device in devices() {
        for (loss, given, ignored) in [
            ("cross_entropy", Some(&weights[..]), 9),
            ("cross_entropy(ignore_index=1)", Some(&weights[..]), 1),
            ("cross_entropy(ignore_index=2)", None, 2),
            ("cross_entropy", None, 9),
        ] {
            let by = if given.is_some() { exact } else { [1.0; 3] };
            // A rate of 0 leaves the parameters as they are, so that every batch sees the same network.
            let mut trainer = classifier(loss, &device, given, 0.0);
            let data = uneven(5000);
            let near = |what: &str, got: f64, want: f64| {
                let far = (got - want).abs() / want;
                assert!(far < 2e-6, "{device}, {loss}, {given:?}, {what}: {got}, not {want}");
            };
            let want = weighted_mean(&mut trainer, &data, by, ignored);
            near("evaluated in two parts", trainer.evaluate(&data).unwrap().data_loss, want);
            let data = uneven(47);
            let want = weighted_mean(&mut trainer, &data, by, ignored);
            for batch in [47, 8, 1] {
                let history = trainer.fit(&data, Fit::epochs(2).batch(batch)).unwrap();
                losses(&history).into_iter().for_each(|loss| near("trained on", loss, want));
            }
        }
    }
}

#[test]
fn a_sum_is_that_of_all_rows_whatever_the_batches() {
    for device in devices() {
        let model = Sequential::new(2).dense(3);
        let mut trainer =
            Trainer::new(model, Loss::cross_entropy(), Optimizer::sgd().learning_rate(0.0))
                .reduction(Reduction::Sum)
                .on(&device)
                .unwrap();
        let data = uneven(5000);
        let want = 5000.0 * weighted_mean(&mut trainer, &data, [1.0; 3], 9);
        let history = trainer.fit(&data, Fit::epochs(1).batch(999)).unwrap();
        for got in [trainer.evaluate(&data).unwrap().data_loss, history.epochs[0].loss] {
            assert!((got - want).abs() < 2e-6 * want, "{device}: {got}, not {want}");
        }
    }
}

#[test]
fn class_weights_train_as_weights_of_the_rows_do() {
    let weights = [0.5f32, 1.0, 3.0];
    let data = uneven(40);
    let own: Vec<f32> =
        data.targets().labels().unwrap().iter().map(|&label| weights[label as usize]).collect();
    let total: f32 = own.iter().sum();
    // The mean of weighted rows divides by their number, that of weighted classes by their weights.
    let rows = data.clone().weighted(own.iter().map(|w| w * 40.0 / total).collect()).unwrap();
    for device in devices() {
        let mut by_class = classifier("cross_entropy", &device, Some(&weights), 0.5);
        let mut by_row = classifier("cross_entropy", &device, None, 0.5);
        let first = by_class.fit(&data, Fit::epochs(20)).unwrap();
        let second = by_row.fit(&rows, Fit::epochs(20)).unwrap();
        for (a, b) in losses(&first).into_iter().zip(losses(&second)) {
            assert!((a - b).abs() < 1e-5, "{device}: {a} {b}");
        }
        let [left, right] = [&by_class, &by_row].map(|trainer| trainer.parameters().unwrap());
        for ((name, left), (_, right)) in left.iter().zip(&right) {
            let far = left.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(far < 1e-5, "{device}, {name}: {far}");
        }
    }
}

#[test]
fn a_recorded_step_knows_the_class_weights() {
    // Op by op, as steps go that are not fused.
    let gpu = support::run::gpu();
    let device: Device = gpu.choosing(Choices { fusion: Fusion::Never, ..gpu.choices() }).into();
    let data = uneven(16);
    let weights = [0.5f32, 1.0, 3.0];
    let mut trainer = classifier("cross_entropy", &device, Some(&weights), 0.5);
    let want = trainer.fit(&data, Fit::epochs(3)).unwrap();
    let mut step = classifier("cross_entropy", &device, Some(&weights), 0.5).into_step(16).unwrap();
    let gpu = device.gpu().unwrap();
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    step.upload_inputs(&mut encoder, data.inputs().as_slice().unwrap()).unwrap();
    step.upload_classes(&mut encoder, data.targets().labels().unwrap()).unwrap();
    step.encode(&mut encoder, 3).unwrap();
    gpu.queue().submit([encoder.finish()]);
    let figures = pollster::block_on(step.records(0..3)).unwrap();
    let got: Vec<f64> = figures.iter().map(|record| f64::from(record[0])).collect();
    let near = |(a, b): (&f64, f64)| (a - b).abs() < 1e-6;
    assert!(got.iter().zip(losses(&want)).all(near), "{got:?}, not {:?}", losses(&want));
    assert_eq!(bits(&step.into_trainer()), bits(&trainer));
}

#[test]
fn a_confusion_matrix_of_scores_is_that_of_the_trainer() {
    for device in devices() {
        let mut trainer = classifier("cross_entropy", &device, None, 0.0);
        let data = uneven(500);
        let scores = trainer.predict(data.inputs().view()).unwrap();
        let (scores, labels) = (device.tensor(&scores), data.targets().labels().unwrap());
        let matrix = device.confusion_matrix(&scores.unwrap(), &device.classes(labels).unwrap());
        let counted = matrix.unwrap().read().unwrap().mapv(|count| count as u64);
        assert_eq!(counted, trainer.confusion_matrix(&data).unwrap().counts.into_dyn(), "{device}");
        assert_eq!(counted.sum(), 500);
    }
}
