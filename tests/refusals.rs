//! Bad input is an error that names the op, the shapes or values and the limit, and leaves everything as it was.

mod support;

use support::nets::{self, bits, devices};
use support::run;
use wgrad::data::{CsvOptions, Targets, read_csv_from};
use wgrad::ndarray::{Array2, array};
use wgrad::prelude::*;
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
        for share in [0.0, 1.0, -0.5, f64::NAN] {
            let fit = Fit::epochs(1).validation_split(share);
            says(trainer.fit(&good, fit), &["validation_split", "between 0 and 1"]);
        }
        // A share so small that nothing is set aside.
        says(trainer.fit(&good, Fit::epochs(1).validation_split(0.01)), &["no rows"]);
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
    let metrics = [Metric::Mse; 5];
    let many = Trainer::new(model(), Loss::mse(), Optimizer::sgd()).metrics(&metrics);
    says(many.on(&Device::cpu()), &["figures", "limit of 8"]);
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
