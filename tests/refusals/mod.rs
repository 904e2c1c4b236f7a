//! Bad input is an error that names the op, the shapes or values and the limit, and leaves everything as it was.

mod ops;

use crate::support;

use support::nets::{self, bits, devices};
use support::run;
use wgrad::data::{CsvOptions, Targets, read_csv_from};
use wgrad::ndarray::{Array2, array};
use wgrad::prelude::*;
use wgrad::train::EarlyStopping;
use wgrad::{Error, Result};

/// The message of an error, which must have each of the words in it.
#[track_caller]
fn says<T>(result: Result<T>, words: &[&str]) -> Error {
    let Err(error) = result else { panic!("accepted, though {words:?}") };
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not all in: {text}");
    error
}

fn classes(labels: &[u32], classes: usize) -> Dataset {
    let inputs = Array2::zeros((labels.len(), 2));
    Dataset::new(inputs, Targets::Classes { labels: labels.to_vec(), classes }).unwrap()
}

#[test]
fn data_that_does_not_fit_the_network_is_refused_and_nothing_changes() {
    for device in devices() {
        let mut trainer = nets::spiral().on(&device);
        let before = bits(&trainer);
        let wide = Dataset::new(Array2::zeros((4, 3)), Array2::zeros((4, 3))).unwrap();
        let narrow = Dataset::new(Array2::zeros((4, 2)), Array2::zeros((4, 2))).unwrap();
        let fifth = classes(&[0, 1, 4], 5);
        let none = classes(&[], 3);
        let good = classes(&[0, 1, 2, 0], 3);

        for (data, words) in [
            (&wide, &["3 features", "takes 2"][..]),
            (&narrow, &["2 columns", "gives 3"]),
            (&fifth, &["row 2", "class 4", "3 scores"]),
            (&none, &["no rows"]),
        ] {
            let fit = || Fit::epochs(3);
            says(trainer.fit(data, fit()), &[words, &["fit"]].concat());
            says(trainer.fit(&good, fit().validate(data)), &[words, &["validation"]].concat());
            says(trainer.evaluate(data), &[words, &["evaluate"]].concat());
        }
        says(trainer.predict(Array2::zeros((4, 3)).view()), &["predict", "3 features", "takes 2"]);
        says(trainer.fit(&good, Fit::epochs(1).batch(0)), &["batch", "at least 1"]);
        for fraction in [0.0, 1.0, -0.5, f64::NAN] {
            let fit = Fit::epochs(1).validation_split(fraction);
            says(trainer.fit(&good, fit), &["validation_split", "between 0 and 1"]);
        }
        // One row is not enough for two parts.
        let one = good.rows(0..1).unwrap();
        says(trainer.fit(&one, Fit::epochs(1).validation_split(0.5)), &["no rows"]);
        assert_eq!((bits(&trainer), trainer.step(), trainer.epoch()), (before, 0, 0));
        assert_eq!(trainer.predict(Array2::zeros((0, 2)).view()).unwrap().dim(), (0, 3));

        let mut regression = nets::sine().on(&device);
        let labels = Dataset::new(
            Array2::zeros((2, 1)),
            Targets::Classes { labels: vec![0, 0], classes: 1 },
        );
        says(regression.fit(&labels.unwrap(), Fit::epochs(1)), &["mse", "[rows, 1]", "class"]);
    }
}

#[test]
fn networks_that_cannot_be_are_refused_by_layer() {
    let refused = |model: Sequential, words| says(model.build(), words);
    refused(Sequential::new(2), &["at least one layer"]);
    refused(Sequential::new(0).dense(3), &["at least one input feature"]);
    refused(Sequential::new(2).activation(Activation::relu()), &["layer with parameters"]);
    refused(Sequential::new(2).dense(4).dense(0), &["layer 1", "dense(0)", "4 inputs"]);
    let with = |f: &str| Sequential::new(2).dense(3).activation(f.parse().unwrap());
    refused(with("glu"), &["layer 1", "glu", "axis of 3", "even"]);
    refused(with("softmax(dim=0)"), &["layer 1", "softmax", "dim"]);
    refused(with("hard_tanh(min=2)"), &["layer 1", "hard_tanh", "at least min"]);
    let doubled = Sequential::new(usize::MAX).activation("crelu".parse().unwrap());
    refused(doubled.dense(1), &["layer 0", "crelu", "double"]);
    for rate in [1.0, -0.1, f64::NAN] {
        refused(Sequential::new(2).dense(4).dropout(rate), &["layer 1", "dropout", "rate"]);
    }
    let penalty = Dense::new(4).l2(f64::NAN, 0.0);
    refused(Sequential::new(2).layer(penalty), &["layer 0", "l2 = NaN"]);
    let huge = refused(Sequential::new(usize::MAX).dense(usize::MAX), &["layer 0", "limit of"]);
    assert!(matches!(huge, Error::Limit { .. }), "{huge}");
}

#[test]
fn settings_outside_their_range_are_refused_by_name() {
    says(Initializer::normal().with("std", f64::NAN), &["normal", "std = NaN"]);
    says(Activation::leaky_relu().with("alpha", f64::INFINITY), &["leaky_relu", "inf"]);
    let crossed: Activation = "hard_tanh(min=2, max=1)".parse().unwrap();
    says(crossed.validate(), &["hard_tanh", "max = 1", "at least min = 2"]);
    let crossed: Activation = "rrelu(lower=0.5)".parse().unwrap();
    says(crossed.validate(), &["rrelu", "upper", "at least lower = 0.5"]);
    says("softmax(dim=6)".parse::<Activation>(), &["softmax", "dim = 6", "whole number"]);
    says("maxout(pieces=2.5)".parse::<Activation>(), &["maxout", "pieces", "whole number"]);
    says(Schedule::inverse_time(f64::NAN), &["inverse_time", "decay = NaN"]);
    says(Optimizer::adam().with("beta3", 0.5), &["adam", "beta3"]);
    let model = || Sequential::new(2).dense(3);
    let on = |optimizer| Trainer::new(model(), Loss::mse(), optimizer).on(&Device::cpu());
    for rate in [f64::NAN, f64::INFINITY, -1.0] {
        says(on(Optimizer::adam().learning_rate(rate)), &["adam", "lr = "]);
        says(on(Optimizer::sgd().weight_decay(rate)), &["sgd", "weight_decay = "]);
    }
    for limit in [0.0, -1.0, f64::NAN] {
        let trainer = || Trainer::new(model(), Loss::mse(), Optimizer::sgd());
        says(trainer().clip_value(limit).on(&Device::cpu()), &["clip_value"]);
        says(trainer().clip_norm(limit).on(&Device::cpu()), &["clip_norm"]);
        let none = trainer().reduction(Reduction::None);
        says(none.on(&Device::cpu()), &["Reduction::Mean"]);
    }
    let metrics = [Metric::Mse; 13];
    let many = Trainer::new(model(), Loss::mse(), Optimizer::sgd()).metrics(&metrics);
    says(many.on(&Device::cpu()), &["figures", "limit of 16"]);
}

#[test]
fn metrics_that_a_recorded_step_has_no_room_for_are_refused_before_anything_is_built() {
    let build = |metrics: usize, skips: bool| {
        let model = Sequential::new(1).embedding(4, 3).dense(3);
        let trainer = Trainer::new(model, Loss::cross_entropy(), Optimizer::sgd())
            .metrics(&vec![Metric::Accuracy; metrics]);
        if skips { trainer.skip_not_finite() } else { trainer }.on(&Device::cpu())
    };
    let words = ["11 metrics", "4 numbers about invalid data", "17 figures", "limit of 16"];
    says(build(11, false), &words);
    says(build(10, true), &["10 metrics", "1 about skipped updates", "17 figures"]);
    for (metrics, skips) in [(10, false), (9, true)] {
        let step = build(metrics, skips).unwrap().into_step(4);
        says(step, &["into_step", "recorded on a GPU"]);
    }
}

#[test]
fn whatever_the_loss_a_step_records_as_many_metrics_as_its_builder_accepts() {
    for loss in Loss::all() {
        let metric = if loss.takes_classes() { Metric::Accuracy } else { Metric::Mse };
        for embeds in [false, true] {
            let model = Sequential::new(1);
            let model = if embeds { model.embedding(4, 3) } else { model.dense(3) };
            for metrics in [0, 8, 9, 10, 11, 12, 13] {
                let trainer = Trainer::new(model.clone().dense(3), loss, Optimizer::sgd())
                    .metrics(&vec![metric; metrics])
                    .skip_not_finite();
                match trainer.on(&Device::cpu()).and_then(|trainer| trainer.into_step(4)) {
                    Err(Error::Limit { what, .. }) => {
                        assert!(what.contains(" metrics"), "{loss} fails late: {what}")
                    }
                    Err(_) => {}
                    Ok(_) => panic!("{loss} was recorded without a GPU"),
                }
            }
        }
    }
}

#[test]
fn unknown_names_are_refused_with_near_ones() {
    says("gelo".parse::<Activation>(), &["activation", "'gelo'", "did you mean", "gelu"]);
    says("adma".parse::<Optimizer>(), &["optimizer", "'adma'", "adam"]);
    says("cross_entropie".parse::<Loss>(), &["loss", "cross_entropy"]);
    says("kaiming_unifrom".parse::<Initializer>(), &["initializer", "kaiming_uniform"]);
    says(Device::named("no such adapter"), &["no GPU adapter", "'no such adapter'"]);
}

#[test]
fn a_network_over_the_limits_of_a_device_is_refused_and_the_device_still_works() {
    let limits = wgpu::Limits {
        max_storage_buffer_binding_size: 1 << 20,
        max_buffer_size: 1 << 20,
        ..wgpu::Limits::default()
    };
    let device: Device = run::open(limits).into();
    let on = |model: Sequential| Trainer::new(model, Loss::mse(), Optimizer::sgd()).on(&device);
    let weight = ["0.weight", "[1024, 512]", "2097152 bytes", "limit of 1048576"];
    says(on(Sequential::new(512).dense(1024)), &weight);
    // Inputs that fit no binding, with a network that does.
    let mut trainer = on(Sequential::new(8).dense(1)).unwrap();
    let data = Dataset::new(Array2::zeros((40_000, 8)), Array2::zeros((40_000, 1))).unwrap();
    says(trainer.fit(&data, Fit::epochs(1)), &["1280000 bytes", "limit of 1048576"]);
    let small = Dataset::new(array![[1.0; 8]], array![[1.0]]).unwrap();
    assert_eq!(trainer.fit(&small, Fit::epochs(2)).unwrap().epochs.len(), 2);
}

#[test]
fn a_last_layer_goes_together_with_cross_entropy_over_classes_only() {
    let on = |model: Sequential, loss: Loss| {
        Trainer::new(model, loss, Optimizer::sgd()).linear_cross_entropy().on(&Device::cpu())
    };
    let dense = || Sequential::new(2).dense(3);
    let soft = dense().activation(Activation::tanh());
    let named = "linear_cross_entropy";
    says(on(soft, Loss::cross_entropy()), &[named, "last layer", "dense", "tanh"]);
    says(on(dense(), Loss::mse()), &[named, "mse"]);
    let mut trainer = on(dense(), Loss::cross_entropy()).unwrap();
    let soft = Dataset::new(Array2::zeros((4, 2)), Array2::zeros((4, 3))).unwrap();
    says(trainer.fit(&soft, Fit::epochs(1)), &[named, "4 rows", "class index"]);
    let step = Trainer::new(dense(), Loss::cross_entropy(), Optimizer::sgd())
        .linear_cross_entropy()
        .on(&nets::gpu())
        .and_then(|trainer| trainer.into_step(4));
    says(step, &["into_step", named, "outputs"]);
}

#[test]
fn steps_for_a_host_need_a_gpu_and_rows() {
    says(nets::spiral().on(&Device::cpu()).into_step(8), &["into_step", "GPU"]);
    says(nets::spiral().on(&nets::gpu()).into_step(0), &["into_step", "at least one row"]);
}

#[test]
fn a_cell_that_is_no_number_is_refused_by_line_and_column() {
    let options = CsvOptions::values(["y"]);
    for (text, words) in [
        ("x,y\n1,2\n3,\n", &["line 3", "y"][..]),
        ("x,y\n1,2\nthree,4\n", &["line 3", "x", "three"]),
        ("x,y\n1,2\n3\n", &["line 3"]),
    ] {
        says(
            read_csv_from(text.as_bytes(), "table.csv", &options),
            &[words, &["table.csv"]].concat(),
        );
    }
}

#[test]
fn class_weights_that_do_not_fit_are_refused_when_the_trainer_is_made() {
    let on = |loss: Loss, weights: &[f32]| {
        let model = Sequential::new(2).dense(3);
        Trainer::new(model, loss, Optimizer::sgd()).class_weights(weights).on(&Device::cpu())
    };
    on(Loss::cross_entropy(), &[1.0, 0.0, 2.0]).unwrap();
    on(Loss::bce_with_logits(), &[1.0, 0.5, 2.0]).unwrap();
    says(on(Loss::cross_entropy(), &[1.0; 4]), &["cross_entropy", "3 classes", "[4]"]);
    says(on(Loss::mse(), &[1.0; 3]), &["mse", "no weight per class"]);
    for wrong in [f32::NAN, f32::INFINITY, -1.0] {
        let weights = [1.0, wrong, 1.0];
        says(
            on(Loss::cross_entropy(), &weights),
            &["Trainer", "weight of class 1", "0 or greater"],
        );
    }
}

#[test]
fn a_schedule_that_leaves_its_parameters_range_is_refused_in_the_step_that_it_does() {
    let data = data::spiral(4, 3, 0).unwrap();
    let adam = Optimizer::adam();
    for device in devices() {
        for (wrong, shown) in
            [(f64::NAN, "NaN"), (-1.0, "-1"), (f64::INFINITY, "inf"), (1e39, "10")]
        {
            let at = move |first: u64| {
                Schedule::custom("odd", move |step, lr| if step < first { lr } else { wrong })
            };
            let builder = || Trainer::new(linear(), Loss::cross_entropy(), adam);
            let mut trainer = builder().schedule(at(3)).on(&device).unwrap();
            trainer.fit(&data, Fit::epochs(3)).unwrap();
            let words = ["schedule", "lr in update 3", shown, "0 or greater"];
            says(trainer.fit(&data, Fit::epochs(2)), &words);
            let trainer = builder().schedule_of("beta1", at(0)).on(&device);
            says(
                trainer.unwrap().fit(&data, Fit::epochs(1)),
                &["schedule", "beta1 in update 0", shown],
            );
        }
        // A rate that single precision takes for 0 is one that has come to its end.
        let fades = Schedule::custom("fades", |_, _| 1e-60);
        let builder = Trainer::new(linear(), Loss::cross_entropy(), adam).schedule(fades);
        builder.on(&device).unwrap().fit(&data, Fit::epochs(2)).unwrap();
    }
}

fn linear() -> Sequential {
    Sequential::new(2).dense(3)
}

#[test]
fn early_stopping_without_a_number_to_compare_by_is_refused() {
    let data = data::spiral(4, 3, 0).unwrap();
    for min_delta in [f64::NAN, f64::INFINITY] {
        let trainer = Trainer::new(linear(), Loss::cross_entropy(), Optimizer::adam());
        let mut trainer = trainer.on(&Device::cpu()).unwrap();
        let early = EarlyStopping { patience: 1, min_delta, restore_best: false };
        let fit = Fit::epochs(3).early_stopping(early);
        says(trainer.fit(&data, fit), &["early_stopping", "min_delta", "finite"]);
    }
}
