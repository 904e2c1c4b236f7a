//! What happens to gradients and parameters around an update: what takes part in it, and which steps are gathered for one.

use crate::support;

use support::nets::{bits, devices, directory};
use wgrad::data::Targets;
use wgrad::ndarray::{Array2, ArrayD, Axis, array};
use wgrad::nn::Network;
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::train::{Averaging, TrainerBuilder};

fn named<'a>(parameters: &'a [(String, ArrayD<f32>)], name: &str) -> &'a [f32] {
    parameters.iter().find(|(own, _)| own == name).unwrap().1.as_slice().unwrap()
}

#[test]
fn running_statistics_are_averaged_by_their_layer_alone() {
    let data = Dataset::new(array![[1.0, 2.0], [3.0, 6.0]], array![[0.0], [0.0]]).unwrap();
    for device in devices() {
        for average in [
            Averaging::Lookahead { every: 1, alpha: 0.5 },
            Averaging::Ema { decay: 0.75 },
            Averaging::Swa { start: 1, every: 1 },
        ] {
            let model = Sequential::new(2).batch_norm().dense(1);
            let sgd = Optimizer::sgd().learning_rate(1e-9);
            let builder = Trainer::new(model, Loss::mse(), sgd).average(average);
            let mut trainer = builder.on(&device).unwrap();
            for means in [[0.2, 0.4], [0.38, 0.76]] {
                trainer.fit(&data, Fit::epochs(1)).unwrap();
                let (raw, averaged) =
                    (trainer.parameters().unwrap(), trainer.averaged_parameters().unwrap());
                for parameters in [&raw, &averaged] {
                    let got = named(parameters, "0.running_mean");
                    let far = got.iter().zip(means).map(|(got, mean)| (got - mean).abs());
                    assert!(far.fold(0.0, f32::max) < 1e-6, "{average:?} on {device}: {got:?}");
                }
                assert_eq!(named(&raw, "0.running_var"), named(&averaged, "0.running_var"));
            }
        }
        // As torch.optim.swa_utils.AveragedModel, which copies them when a point is taken.
        let model = Sequential::new(2).batch_norm().dense(1);
        let builder = Trainer::new(model, Loss::mse(), Optimizer::sgd().learning_rate(1e-9));
        let builder = builder.average(Averaging::Swa { start: 2, every: 2 });
        let mut trainer = builder.on(&device).unwrap();
        for mean in [0.0, 0.38, 0.38, 0.6878] {
            trainer.fit(&data, Fit::epochs(1)).unwrap();
            let averaged = trainer.averaged_parameters().unwrap();
            let got = named(&averaged, "0.running_mean")[0];
            assert!((got - mean).abs() < 1e-6, "{got} {mean} on {device}");
        }
    }
}

#[test]
fn what_has_no_gradient_takes_no_part_in_norms_and_noise_and_a_resumed_run_is_the_same() {
    let data = data::spiral(8, 3, 0).unwrap();
    let path = directory("statistics").join("half.safetensors");
    for device in devices() {
        let start = |seed| {
            let model = Sequential::new(2).dense(4).batch_norm().dense(3);
            let builder = Trainer::new(model, Loss::cross_entropy(), Optimizer::adam()).seed(seed);
            let builder = builder.gradient_noise(4.0, 0.0).clip_value(1.0).clip_each(0.5);
            let builder = builder.clip_norm(0.7).accumulate(2).skip_not_finite();
            builder.average(Averaging::Ema { decay: 0.9 }).on(&device).unwrap()
        };
        let (mut whole, mut half, mut resumed) = (start(1), start(1), start(2));
        whole.fit(&data, Fit::epochs(4).batch(8)).unwrap();
        let gradients = pollster::block_on(whole.gradients_async()).unwrap();
        for name in ["1.running_mean", "1.running_var"] {
            assert_eq!(named(&gradients, name), [0.0; 4], "{name} on {device}");
        }
        assert!(named(&gradients, "1.weight").iter().all(|g| *g != 0.0), "{device}");
        half.fit(&data, Fit::epochs(2).batch(8)).unwrap();
        half.save(&path).unwrap();
        resumed.load(&path).unwrap();
        resumed.fit(&data, Fit::epochs(2).batch(8)).unwrap();
        assert_eq!(bits(&resumed), bits(&whole), "{device}");
        let means = [&whole, &resumed].map(|trainer| trainer.averaged_parameters().unwrap());
        assert_eq!(means[0], means[1], "{device}");
    }
}

/// Rows with a target that is not quite linear in them.
fn rows() -> Dataset {
    let inputs = Array2::from_shape_fn((10, 2), |(row, col)| ((3 * row + 5 * col) as f32).sin());
    let targets = inputs.map_axis(Axis(1), |x| 2.0 * x[0] - x[1] * x[1]).insert_axis(Axis(1));
    Dataset::new(inputs, targets).unwrap()
}

/// The rows with one that gives no finite gradient.
fn rows_with_nan() -> Dataset {
    let (mut inputs, targets) = rows().into_parts();
    inputs[[4, 1]] = f32::NAN;
    Dataset::keeping_non_finite(inputs, targets).unwrap()
}

const SEED: u64 = 3;

/// The rates of updates, and no more of them than there are.
fn table(rates: &'static [f64]) -> Schedule {
    Schedule::custom("table", move |update, _| rates[update as usize])
}

fn linear(group: u64, across: bool, rates: &'static [f64]) -> TrainerBuilder {
    let model = Sequential::new(2).layer(Dense::new(1).weights(Initializer::normal()));
    let builder = Trainer::new(model, Loss::mse(), Optimizer::sgd()).seed(SEED);
    let builder = builder.schedule(table(rates)).accumulate(group);
    if across { builder.accumulate_across_epochs() } else { builder }
}

/// The parameters after epochs of batches of two of ten rows, in plain arithmetic, groups with a NaN skipped; and how many
/// updates there were.
fn by_hand(
    data: &Dataset,
    group: usize,
    across: bool,
    rates: &[f64],
    epochs: u32,
) -> (Vec<f64>, usize) {
    let network: Network =
        Sequential::new(2).layer(Dense::new(1).weights(Initializer::normal())).build().unwrap();
    let mut w: Vec<f64> = network.initial(SEED).concat().into_iter().map(f64::from).collect();
    let order = Key::new(SEED, Stream::Shuffle);
    let targets = match data.targets() {
        Targets::Values(values) => values,
        Targets::Classes { .. } => unreachable!(),
    };
    let (mut gathered, mut done) = (Vec::new(), 0);
    for epoch in 0..epochs {
        for batch in 0..5u32 {
            let mut grad = [0.0; 3];
            for row in [2 * batch, 2 * batch + 1].map(|at| order.permute(epoch, at, 10) as usize) {
                let x = data.inputs().row(row).mapv(f64::from);
                let error = w[0] * x[0] + w[1] * x[1] + w[2] - f64::from(targets[[row, 0]]);
                let inputs = [x[0], x[1], 1.0];
                grad.iter_mut().zip(inputs).for_each(|(grad, x)| *grad += error * x);
            }
            gathered.push(grad);
            if gathered.len() < group && (across || batch < 4) {
                continue;
            }
            let count = gathered.len() as f64;
            let mean = [0, 1, 2].map(|k| gathered.iter().map(|grad| grad[k]).sum::<f64>() / count);
            gathered.clear();
            if mean.iter().all(|grad| grad.is_finite()) {
                w.iter_mut().zip(mean).for_each(|(w, grad)| *w -= rates[done] * grad);
                done += 1;
            }
        }
    }
    (w, done)
}

#[track_caller]
fn assert_near(trainer: &Trainer, want: &[f64], what: &str) {
    let got: Vec<f32> = trainer.parameters().unwrap().into_iter().flat_map(|p| p.1).collect();
    let far = got.iter().zip(want).map(|(got, want)| (f64::from(*got) - want).abs());
    assert!(far.fold(0.0, f64::max) < 1e-5, "{what}: {got:?} {want:?}");
}

const RATES: [f64; 6] = [0.3, 0.02, 0.2, 0.05, 0.25, 0.1];

#[test]
fn the_end_of_an_epoch_is_an_update_by_the_mean_of_what_is_gathered() {
    let data = rows();
    for device in devices() {
        // Two epochs of two, two and one steps; of three and two; of five, where eight were asked for.
        for (group, updates, rates) in
            [(2, 6, &RATES[..6]), (3, 4, &RATES[..4]), (8, 2, &RATES[..2])]
        {
            let (want, done) = by_hand(&data, group, false, rates, 2);
            assert_eq!(done, updates);
            let rates: &'static [f64] = rates.to_vec().leak();
            let mut trainer = linear(group as u64, false, rates).on(&device).unwrap();
            let history = trainer.fit(&data, Fit::epochs(2).batch(2)).unwrap();
            assert_near(&trainer, &want, &format!("{group} on {device}"));
            assert_eq!(history.last().unwrap().rate, rates[updates - 1], "{group} on {device}");
        }
        // A whole epoch at once is an update each.
        let mut trainer = linear(4, false, &[0.1, 0.2]).on(&device).unwrap();
        let mut plain = linear(1, false, &[0.1, 0.2]).on(&device).unwrap();
        trainer.fit(&data, Fit::epochs(2)).unwrap();
        plain.fit(&data, Fit::epochs(2)).unwrap();
        assert_eq!(bits(&trainer), bits(&plain), "{device}");
    }
}

#[test]
fn gathering_goes_on_across_epochs_where_it_is_asked_for() {
    let data = rows();
    for device in devices() {
        let (want, done) = by_hand(&data, 8, true, &RATES, 5);
        assert_eq!(done, 3);
        let mut trainer = linear(8, true, &[0.3, 0.02, 0.2]).on(&device).unwrap();
        trainer.fit(&data, Fit::epochs(5).batch(2)).unwrap();
        assert_near(&trainer, &want, &device.to_string());
    }
}

#[test]
fn gathering_resumes_bit_for_bit() {
    let data = rows();
    let path = directory("gathering").join("half.safetensors");
    for device in devices() {
        for (group, across) in [(2, false), (8, false), (2, true), (8, true)] {
            let start = || linear(group, across, &[0.1; 15]).on(&device).unwrap();
            let (mut whole, mut half, mut resumed) = (start(), start(), start());
            whole.fit(&data, Fit::epochs(5).batch(2)).unwrap();
            half.fit(&data, Fit::epochs(2).batch(2)).unwrap();
            half.save(&path).unwrap();
            resumed.load(&path).unwrap();
            resumed.fit(&data, Fit::epochs(3).batch(2)).unwrap();
            assert_eq!(bits(&resumed), bits(&whole), "{group} {across} on {device}");
        }
    }
}

#[test]
fn a_skipped_group_leaves_its_number_to_the_next_however_many_steps_they_have() {
    let data = rows_with_nan();
    for device in devices() {
        for (group, across, epochs) in [(1, false, 2), (2, false, 3), (3, false, 4), (3, true, 4)] {
            let rates: [f64; 20] = std::array::from_fn(|update| 0.3 / (1.0 + update as f64));
            let (want, _) = by_hand(&data, group, across, &rates, epochs);
            let rates: &'static [f64] = rates.to_vec().leak();
            let builder = linear(group as u64, across, rates).skip_not_finite();
            let (mut once, mut twice) =
                (builder.clone().on(&device).unwrap(), builder.on(&device).unwrap());
            once.fit(&data, Fit::epochs(u64::from(epochs)).batch(2)).unwrap();
            assert_near(&once, &want, &format!("{group} {across} on {device}"));
            twice.fit(&data, Fit::epochs(1).batch(2)).unwrap();
            twice.fit(&data, Fit::epochs(u64::from(epochs - 1)).batch(2)).unwrap();
            assert_eq!(bits(&twice), bits(&once), "{group} {across} on {device}");
        }
    }
}
