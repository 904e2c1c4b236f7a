//! Networks that end in probabilities learn by their logits.

use crate::support;

use ndarray::{Array2, array};
use support::kernel::read_back;
use support::run::{featured_gpu, gpu};
use support::tolerance::Tolerance;
use wgrad::data::Targets;
use wgrad::embed::{Choices, Fusion, Region, StepOptions};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::train::TrainerBuilder;

fn device(fusion: Fusion) -> Device {
    let gpu = featured_gpu();
    gpu.choosing(Choices { fusion, ..gpu.choices() }).into()
}

/// The reference, a GPU whose steps are as few dispatches as can be, and one with a dispatch per op.
fn engines() -> [Device; 3] {
    [Device::cpu(), device(Fusion::Auto), device(Fusion::Never)]
}

#[track_caller]
fn near(got: f64, want: f64, what: &str) {
    let tolerance = Tolerance::ulps(16.0).floor(2e-6);
    assert!(tolerance.accepts(got as f32, want), "{what}: {got}, not {want}");
}

fn constant(value: f64) -> Initializer {
    Initializer::constant().with("value", value).unwrap()
}

fn classes(labels: &[u32], classes: usize) -> Targets {
    Targets::Classes { labels: labels.to_vec(), classes }
}

/// A network without biases whose first logit, or only one, is z for the row [1, 0], and 0 where there is a second.
fn saturated(f: Activation, z: f64) -> Sequential {
    let (outputs, weights) = match f.name() {
        "sigmoid" => (1, constant(z)),
        _ => (2, Initializer::eye().with("gain", z).unwrap()),
    };
    Sequential::new(2).layer(Dense::new(outputs).no_bias().weights(weights)).activation(f)
}

#[test]
fn a_saturated_output_learns_as_its_logit_does() {
    let heads = [
        (Activation::sigmoid(), Loss::bce(), array![[0.0]].into()),
        (Activation::softmax(), Loss::categorical_cross_entropy(), classes(&[1], 2)),
        (Activation::softmax(), Loss::categorical_cross_entropy(), array![[0.0, 1.0]].into()),
        (Activation::log_softmax(), Loss::nll(), classes(&[1], 2)),
    ];
    for device in engines() {
        for (f, loss, targets) in &heads {
            for z in [2.0f64, 16.0, 18.0, 60.0, 300.0] {
                let what = format!("{f}, {loss}, z = {z} on {device}");
                let data = Dataset::new(array![[1.0, 0.0]], targets.clone()).unwrap();
                let sgd = Optimizer::sgd().learning_rate(1.0);
                let mut trainer = Trainer::new(saturated(*f, z), *loss, sgd).on(&device).unwrap();
                let (first, rest) = (1.0 / (1.0 + (-z).exp()), z + (-z).exp().ln_1p());
                let shown = trainer.predict(data.inputs().view()).unwrap()[[0, 0]];
                let wanted = if f.name() == "log_softmax" { z - rest } else { first };
                near(f64::from(shown), wanted, &what);
                near(trainer.evaluate(&data).unwrap().loss(), rest, &what);
                let history = trainer.fit(&data, Fit::epochs(1)).unwrap();
                near(history.epochs[0].loss, rest, &what);
                let weights: Vec<f32> =
                    trainer.parameters().unwrap()[0].1.iter().copied().collect();
                near(f64::from(weights[0]), z - first, &what);
                if let Some(second) = weights.get(2) {
                    near(f64::from(*second), first, &what);
                }
            }
        }
    }
}

/// Rows of three numbers, some with large logits to come.
fn rows(count: usize) -> Array2<f32> {
    let key = Key::new(3, Stream::Data(9));
    Array2::from_shape_fn((count, 3), |(row, col)| key.normal(row as u32, col as u32) as f32)
}

fn model(outputs: usize, last: Option<Activation>) -> Sequential {
    let model = Sequential::new(3).dense(6).activation(Activation::tanh()).dense(outputs);
    last.into_iter().fold(model, Sequential::activation)
}

/// Trains both and compares what they say and come to.
fn agree(what: &str, device: &Device, data: &Dataset, [a, b]: [TrainerBuilder; 2]) {
    let [mut a, mut b] = [a, b].map(|builder| builder.seed(4).on(device).unwrap());
    let [first, second] =
        [&mut a, &mut b].map(|trainer| trainer.fit(data, Fit::epochs(3).batch(5)).unwrap().epochs);
    for (first, second) in first.iter().zip(&second) {
        near(first.loss, second.loss, what);
        near(first.accuracy, second.accuracy, what);
    }
    let [first, second] = [&mut a, &mut b].map(|trainer| trainer.evaluate(data).unwrap());
    near(first.loss(), second.loss(), what);
    near(first.accuracy(), second.accuracy(), what);
    let [first, second] = [&a, &b].map(|trainer| trainer.parameters().unwrap());
    for ((name, first), (_, second)) in first.iter().zip(&second) {
        let pairs = first.iter().zip(second);
        pairs.for_each(|(a, b)| near(f64::from(*a), f64::from(*b), &format!("{what}: {name}")));
    }
}

#[test]
fn losses_by_logits_take_weights_reductions_and_ignored_rows_as_those_of_probabilities() {
    let labels: Vec<u32> = (0..12).map(|row| row % 3).collect();
    let soft = Array2::from_shape_fn((12, 3), |(row, col)| ((row + col) % 4) as f32 * 0.25);
    let weights: Vec<f32> = (0..12).map(|row| 0.5 + row as f32 * 0.125).collect();
    let sgd = Optimizer::sgd().learning_rate(0.2);
    let build =
        |last, loss, reduction| Trainer::new(model(3, last), loss, sgd).reduction(reduction);
    // A clip of one's own leaves the loss to the probabilities.
    let bce = Loss::bce().with("eps", 1e-12).unwrap();
    let cce = Loss::categorical_cross_entropy().with("clip", 1e-12).unwrap();
    let ignoring = |loss: Loss| loss.with("ignore_index", 2.0).unwrap();
    let (sigmoid, softmax) = (Some(Activation::sigmoid()), Some(Activation::softmax()));
    for device in engines() {
        for reduction in [Reduction::Mean, Reduction::Sum, Reduction::BatchMean] {
            for weighted in [false, true] {
                let what = |loss: &str| format!("{loss}, {reduction:?}, {weighted}, on {device}");
                let data = |targets: Targets| {
                    let data = Dataset::new(rows(12), targets).unwrap();
                    if weighted { data.weighted(weights.clone()).unwrap() } else { data }
                };
                let pair = [Loss::bce(), bce].map(|loss| build(sigmoid, loss, reduction));
                agree(&what("bce"), &device, &data(soft.clone().into()), pair);
                for targets in [soft.clone().into(), classes(&labels, 3)] {
                    let pair = [Loss::categorical_cross_entropy(), cce].map(|loss| {
                        build(softmax, loss, reduction).class_weights(&[1.0, 2.0, 0.5])
                    });
                    agree(&what("cce"), &device, &data(targets), pair);
                }
                let log_softmax = Some(Activation::log_softmax());
                let pair = [
                    build(log_softmax, ignoring(Loss::nll()), reduction),
                    build(None, ignoring(Loss::cross_entropy()), reduction),
                ];
                let pair = pair.map(|builder| builder.class_weights(&[1.0, 2.0, 0.5]));
                agree(&what("nll"), &device, &data(classes(&labels, 3)), pair);
            }
        }
    }
}

#[test]
fn the_spiral_is_learnt_alike_by_softmax_and_by_cross_entropy_of_its_logits() {
    let data = data::spiral(30, 3, 0).unwrap();
    let build = |last: Option<Activation>, loss| {
        let body = Sequential::new(2).dense(16).activation(Activation::relu()).dense(3);
        Trainer::new(last.into_iter().fold(body, Sequential::activation), loss, Optimizer::adam())
    };
    let by_logits = build(None, Loss::cross_entropy());
    for device in engines() {
        for (f, loss) in [
            (Activation::softmax(), Loss::categorical_cross_entropy()),
            (Activation::log_softmax(), Loss::nll()),
        ] {
            let pair = [build(Some(f), loss), by_logits.clone()];
            agree(&format!("{f} on {device}"), &device, &data, pair);
        }
    }
}

fn numbers(region: &Region) -> Vec<f32> {
    let bytes =
        read_back(gpu().device(), gpu().queue(), &region.buffer, region.offset, region.bytes);
    bytemuck::pod_collect_to_vec(&bytes)
}

#[test]
fn a_recorded_step_shows_probabilities_and_the_gradient_by_the_logits() {
    let heads = [
        (Activation::sigmoid(), Loss::bce()),
        (Activation::softmax(), Loss::categorical_cross_entropy()),
        (Activation::log_softmax(), Loss::nll()),
    ];
    for (f, loss) in heads {
        let trainer = || {
            let device = gpu().clone().into();
            Trainer::new(model(3, Some(f)), loss, Optimizer::sgd()).on(&device).unwrap()
        };
        let inputs = rows(2);
        let wanted = trainer().predict(inputs.view()).unwrap();
        let mut step = trainer().into_step(2).unwrap();
        let mut encoder = gpu().device().create_command_encoder(&Default::default());
        step.upload_inputs(&mut encoder, inputs.as_slice().unwrap()).unwrap();
        let right = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        if loss == Loss::bce() {
            step.upload_targets(&mut encoder, right.as_flattened()).unwrap();
        } else {
            step.upload_classes(&mut encoder, &[1, 2]).unwrap();
        }
        step.encode_forward(&mut encoder).unwrap();
        gpu().queue().submit([encoder.finish()]);
        let outputs = numbers(step.outputs().unwrap());
        let mut encoder = gpu().device().create_command_encoder(&Default::default());
        step.encode_backward(&mut encoder).unwrap();
        step.encode_update(&mut encoder).unwrap();
        gpu().queue().submit([encoder.finish()]);
        let gradients = numbers(step.gradients().unwrap());
        let terms = if loss == Loss::bce() { 6.0 } else { 2.0 };
        for (i, y) in wanted.iter().enumerate() {
            near(outputs[i].into(), f64::from(*y), &format!("{f}: output {i}"));
            let p = if f.name() == "log_softmax" { f64::from(*y).exp() } else { f64::from(*y) };
            let gradient = (p - right.as_flattened()[i] as f64) / terms;
            near(gradients[i].into(), gradient, &format!("{f}: gradient {i}"));
        }
    }
}

#[test]
fn a_fused_step_with_probabilities_is_a_run_of_two_dispatches() {
    for (f, loss) in [
        (Activation::sigmoid(), Loss::bce()),
        (Activation::softmax(), Loss::categorical_cross_entropy()),
        (Activation::log_softmax(), Loss::nll()),
    ] {
        let targets: Targets = match loss == Loss::bce() {
            true => Array2::from_elem((12, 3), 0.25).into(),
            false => classes(&[0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], 3),
        };
        let data = Dataset::new(rows(12), targets).unwrap();
        let train = |fusion| {
            let builder = Trainer::new(model(3, Some(f)), loss, Optimizer::adam());
            let mut trainer = builder.on(&device(fusion)).unwrap();
            trainer.fit(&data, Fit::epochs(2)).unwrap();
            trainer.dispatches_per_step().unwrap()
        };
        assert_eq!(train(Fusion::Auto), 2, "{f}");
        // The gradient through the activation is no dispatch of its own.
        if let Some(clip) = loss.entry().params.first().filter(|_| loss != Loss::nll()) {
            let clipped = loss.with(clip.name, 1e-12).unwrap();
            let builder = Trainer::new(model(3, Some(f)), clipped, Optimizer::adam());
            let mut by_output = builder.on(&device(Fusion::Never)).unwrap();
            by_output.fit(&data, Fit::epochs(1)).unwrap();
            let rest = by_output.dispatches_per_step().unwrap();
            assert_eq!(train(Fusion::Never), rest - 1, "{f}");
        }
        let options = StepOptions::rows(12).fused();
        let builder = Trainer::new(model(3, Some(f)), loss, Optimizer::adam());
        let step = builder.on(&device(Fusion::Auto)).unwrap().into_step(options).unwrap();
        let error = step.outputs().unwrap_err().to_string();
        assert!(error.contains("outputs"), "{error}");
    }
}

#[test]
fn an_output_function_that_the_loss_applies_itself_is_refused_unless_allowed() {
    for (f, loss, instead) in [
        ("softmax", "cross_entropy", "categorical_cross_entropy"),
        (
            "softmax(temperature=2)",
            "cross_entropy(label_smoothing=0.1)",
            "categorical_cross_entropy",
        ),
        ("sparsemax", "cross_entropy", "categorical_cross_entropy"),
        ("log_softmax", "cross_entropy", "nll"),
        ("sigmoid", "bce_with_logits", "bce"),
        ("hard_sigmoid", "bce_with_logits", "bce"),
        ("log_sigmoid", "focal", "bce"),
        ("sigmoid", "multilabel_soft_margin", "bce"),
    ] {
        let build = || {
            let model = model(3, Some(f.parse().unwrap()));
            Trainer::new(model, loss.parse().unwrap(), Optimizer::sgd())
        };
        for device in [Device::cpu(), gpu().clone().into()] {
            let error = build().on(&device).unwrap_err().to_string();
            for part in [f, loss, instead, "logits", "allow_double_softmax"] {
                assert!(error.contains(part), "{part}: {error}");
            }
            assert!(build().allow_double_softmax().on(&device).is_ok(), "{f}, {loss}");
        }
    }
    for (f, loss) in [("softmax", "mse"), ("relu", "cross_entropy"), ("tanh", "bce_with_logits")] {
        let model = model(3, Some(f.parse().unwrap()));
        let builder = Trainer::new(model, loss.parse().unwrap(), Optimizer::sgd());
        assert!(builder.on(&Device::cpu()).is_ok(), "{f}, {loss}");
    }
}

/// A network whose output for the row x is x, by a loss that takes probabilities.
fn bare(loss: Loss) -> TrainerBuilder {
    let dense = Dense::new(2).no_bias().weights(Initializer::eye());
    Trainer::new(Sequential::new(2).layer(dense), loss, Optimizer::sgd().learning_rate(0.0))
}

#[test]
fn predictions_that_are_no_probabilities_are_counted_and_refused() {
    let inputs = array![[0.5, 0.25], [1.5, 0.0], [0.5, -0.25], [1.0, 0.5]];
    for (loss, targets) in [
        (Loss::bce(), Array2::from_elem((4, 2), 0.5).into()),
        (Loss::categorical_cross_entropy(), Array2::from_elem((4, 2), 0.5).into()),
        (Loss::categorical_cross_entropy(), classes(&[0, 1, 0, 1], 2)),
    ] {
        let data = Dataset::new(&inputs, targets).unwrap();
        let fine = data.rows([0, 3, 0, 3]).unwrap();
        for device in engines() {
            let mut trainer = bare(loss).on(&device).unwrap();
            trainer.fit(&fine, Fit::epochs(2).batch(3)).unwrap();
            trainer.evaluate(&fine).unwrap();
            for outcome in [
                trainer.fit(&data, Fit::epochs(2)).map(|_| ()),
                trainer.evaluate(&data).map(|_| ()),
            ] {
                let error = outcome.unwrap_err().to_string();
                let parts = ["2 of 8 predictions", "0 to 1", loss.name()];
                assert!(parts.iter().all(|part| error.contains(part)), "{device}: {error}");
            }
        }
    }
}

#[test]
fn targets_that_are_no_probabilities_are_refused_with_how_many() {
    let inputs = Array2::from_elem((2, 2), 0.5);
    for loss in [Loss::bce(), Loss::categorical_cross_entropy()] {
        let data = Dataset::new(&inputs, array![[0.0, 1.0], [1.5, -1.0]]).unwrap();
        for device in engines() {
            let mut trainer = bare(loss).on(&device).unwrap();
            let error = trainer.fit(&data, Fit::epochs(1)).unwrap_err().to_string();
            assert!(error.contains("2 of 4 targets") && error.contains("row 1"), "{error}");
            assert!(trainer.evaluate(&data).is_err(), "{device}");
        }
    }
}

#[test]
fn targets_of_recorded_steps_that_are_no_probabilities_are_counted() {
    let model = Sequential::new(2).dense(2).activation(Activation::sigmoid());
    let builder = Trainer::new(model, Loss::bce(), Optimizer::sgd());
    let mut step = builder.on(&gpu().clone().into()).unwrap().into_step(2).unwrap();
    let mut encoder = gpu().device().create_command_encoder(&Default::default());
    step.upload_inputs(&mut encoder, &[0.5; 4]).unwrap();
    step.upload_targets(&mut encoder, &[0.0, 1.0, 1.5, 0.5]).unwrap();
    step.encode(&mut encoder, 1).unwrap();
    gpu().queue().submit([encoder.finish()]);
    let error = pollster::block_on(step.records(0..1)).unwrap_err().to_string();
    assert!(error.contains("1 of 4 targets") && error.contains("step 0"), "{error}");
}

#[test]
fn a_loss_of_numbers_that_are_no_probabilities_is_refused_when_it_is_read() {
    let fine = array![[0.0, 0.5, 1.0], [0.25, 0.75, 0.0]];
    let wrong = array![[0.0, 0.5, 1.0], [-0.25, 1.25, 0.0]];
    for loss in [Loss::bce(), Loss::categorical_cross_entropy()] {
        for device in engines() {
            let [fine, wrong] = [&fine, &wrong].map(|numbers| device.tensor(numbers).unwrap());
            let read = |y, t| -> wgrad::Result<()> {
                let (value, gradient) = device.loss(loss, Reduction::Mean, y, t)?;
                let [value, gradient] = [value, gradient].map(|tensor| tensor.read());
                assert_eq!(value.is_err(), gradient.is_err());
                value.map(|_| ())
            };
            read(&fine, &fine).unwrap();
            for (what, outcome) in
                [("predictions", read(&wrong, &fine)), ("targets", read(&fine, &wrong))]
            {
                let error = outcome.unwrap_err().to_string();
                let part = format!("2 of 6 {what}");
                assert!(error.contains(&part) && error.contains(loss.name()), "{device}: {error}");
            }
        }
        let device = Device::cpu();
        let [fine, wrong] = [&fine, &wrong].map(|numbers| device.tensor(numbers).unwrap());
        assert!(device.loss(loss, Reduction::Mean, &wrong, &fine).is_err(), "{loss}");
    }
}
