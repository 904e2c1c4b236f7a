//! Models: what another program loads and predicts with.

use std::fs;
use std::thread;

use wgrad::data::{CsvOptions, Dataset, Standardize, read_csv_from};
use wgrad::ndarray::{Array2, array, s};
use wgrad::nn::Custom;
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};

use crate::support::nets::{bits, devices, directory};

/// Points of three named classes around different centres, in units that differ by a factor of 10000.
fn table(rows: u32) -> Dataset {
    let key = Key::new(5, Stream::Data(9));
    let line = |row: u32| {
        let class = row % 3;
        let [x, y] = [0, 1].map(|axis| key.normal(row, axis) * 0.3 + f64::from(class * (axis + 1)));
        format!("{},{},{}\n", 1e4 * x, y, ["red\\n", "green", "two\tlines"][class as usize])
    };
    let text: String =
        std::iter::once("x,y,kind\n".to_string()).chain((0..rows).map(line)).collect();
    read_csv_from(text.as_bytes(), "table", &CsvOptions::class("kind")).unwrap()
}

fn classifier(data: &Dataset) -> wgrad::train::TrainerBuilder {
    let model = Sequential::new(2).dense(8).batch_norm().activation(Activation::tanh());
    let model = model.dropout(0.2).dense(3);
    Trainer::new(model, Loss::cross_entropy(), Optimizer::adam().learning_rate(0.05))
        .standardize(Standardize::fit(data).unwrap())
}

#[test]
fn a_model_predicts_what_its_trainer_predicts_with_the_names_of_the_classes() {
    let path = directory("model").join("kinds.safetensors");
    let data = table(60);
    for device in devices() {
        let mut trainer = classifier(&data).on(&device).unwrap();
        trainer.fit(&data, Fit::epochs(20).batch(16)).unwrap();
        trainer.save(&path).unwrap();
        let wanted = trainer.predict(data.inputs()).unwrap();
        fs::remove_file(path.with_extension("state.safetensors")).unwrap();
        let loaded = Model::load(&path, &device).unwrap();
        let bytes = Model::from_bytes(&trainer.to_bytes().unwrap(), &device).unwrap();
        let file = Model::from_bytes(&fs::read(&path).unwrap(), &device).unwrap();
        for model in [loaded, bytes, file, trainer.model().unwrap()] {
            assert_eq!(model.predict(data.inputs()).unwrap(), wanted, "{device}");
            let row = data.inputs().row(7).to_vec();
            let one = model.predict_one(&row).unwrap();
            let seventh = wanted.row(7);
            let far = seventh.iter().zip(&one).map(|(a, b)| (a - b).abs());
            assert!(far.fold(0.0, f32::max) < 1e-5, "{one:?}");
            assert_eq!(model.class_names(), ["green", "red\\n", "two\tlines"]);
            let classes = model.classes(data.inputs()).unwrap();
            let labels = data.targets().labels().unwrap().iter();
            let hits = labels
                .zip(&classes)
                .filter(|(label, name)| data.class_names()[**label as usize] == **name);
            assert!(hits.count() > 50, "{classes:?}");
            let probabilities = model.probabilities(data.inputs()).unwrap();
            for (row, logits) in probabilities.rows().into_iter().zip(wanted.rows()) {
                let sum: f64 = logits.iter().map(|x| f64::from(*x).exp()).sum();
                for (probability, logit) in row.iter().zip(logits) {
                    let wanted = f64::from(*logit).exp() / sum;
                    assert!((f64::from(*probability) - wanted).abs() < 1e-6);
                }
            }
        }
        let matrix = trainer.confusion_matrix(&data).unwrap();
        assert_eq!(matrix.names, data.class_names());
        assert!(matrix.to_string().starts_with("actual") && matrix.sum() == 60, "{matrix}");
        // Another trainer takes names and scales from the checkpoint.
        trainer.save(&path).unwrap();
        let mut resumed = classifier(&data.rows(0..9).unwrap()).on(&device).unwrap();
        resumed.load(&path).unwrap();
        assert_eq!(resumed.predict(data.inputs()).unwrap(), wanted);
        assert_eq!(resumed.model().unwrap().class_names(), data.class_names());
        assert_eq!(bits(&resumed), bits(&trainer));
    }
}

#[test]
fn a_confusion_matrix_prints_with_its_names() {
    let data = Dataset::new(vec![[1.0], [-2.0], [3.0]], vec![1, 0, 0]).unwrap();
    let data = data.with_class_names(["no", "maybe"]).unwrap();
    let model = Sequential::new(1).layer(Dense::new(2).weights(Initializer::zeros()));
    let builder = Trainer::new(model, Loss::cross_entropy(), Optimizer::sgd());
    let mut trainer = builder.on(&Device::cpu()).unwrap();
    trainer.set_parameters("0.weight", array![[-1.0], [1.0]].view()).unwrap();
    let matrix = trainer.confusion_matrix(&data).unwrap();
    assert_eq!(
        matrix.to_string(),
        "actual     no  maybe\nno          1      1\nmaybe       0      1"
    );
    let plain = trainer.confusion_matrix(&Dataset::new(vec![[1.0]], vec![1]).unwrap()).unwrap();
    assert_eq!(plain.to_string(), "actual  0  1\n0       0  0\n1       0  1");
}

#[test]
fn standardized_targets_come_back_in_their_unit() {
    let x = Array2::from_shape_fn((40, 1), |(row, _)| 1000.0 + row as f32);
    let data = Dataset::new(&x, x.mapv(|x| 5e4 + 30.0 * x)).unwrap();
    let (train, test) = data.split(0.75, 1).unwrap();
    for device in devices() {
        let optimizer = Optimizer::sgd().learning_rate(0.1);
        let builder = Trainer::new(Sequential::new(1).dense(1), Loss::mse(), optimizer);
        let standardize = Standardize::fit(&train).unwrap().with_targets();
        let mut trainer = builder.standardize(standardize.clone()).on(&device).unwrap();
        let history = trainer.fit(&train, Fit::epochs(100).validate(&test)).unwrap();
        let loss = history.last().unwrap().validation.as_ref().unwrap().loss();
        assert!(loss < 1e-6, "{loss}");
        let far = trainer.predict(test.inputs()).unwrap() - test.targets().values().unwrap();
        assert!(far.iter().all(|far| far.abs() < 1.0), "{far}");
        // What the trainer does by itself is what is done by hand.
        let builder = Trainer::new(Sequential::new(1).dense(1), Loss::mse(), optimizer);
        let mut plain = builder.on(&device).unwrap();
        let scaled = standardize.apply(&train).unwrap();
        plain.fit(&scaled, Fit::epochs(100)).unwrap();
        assert_eq!(bits(&plain), bits(&trainer));
        let evaluation = trainer.evaluate(&train).unwrap();
        assert_eq!(evaluation, plain.evaluate(&scaled).unwrap());
        let model = trainer.model().unwrap();
        assert_eq!(model.predict(test.inputs()).unwrap(), trainer.predict(test.inputs()).unwrap());
        let error = model.probabilities(test.inputs()).unwrap_err().to_string();
        assert!(error.contains("neither the last layer nor the loss"), "{error}");
    }
    let wrong = Trainer::new(Sequential::new(2).dense(1), Loss::mse(), Optimizer::sgd());
    let error = wrong.standardize(Standardize::fit(&data).unwrap()).on(&Device::cpu());
    assert!(error.unwrap_err().to_string().contains("2 inputs a row, fitted on 1"));
}

#[test]
fn a_run_does_not_load_into_a_network_of_other_activations() {
    let path = directory("activations").join("run.safetensors");
    let trainer = |f| {
        let model = Sequential::new(2).dense(8).activation(f).dropout(0.5).dense(3);
        Trainer::new(model, Loss::cross_entropy(), Optimizer::adam()).on(&Device::cpu()).unwrap()
    };
    let relu = trainer(Activation::relu());
    relu.save(&path).unwrap();
    let mut tanh = trainer(Activation::tanh());
    let before = bits(&tanh);
    for error in [tanh.load(&path), tanh.load_bytes(&relu.to_bytes().unwrap())] {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("dense(8), relu, identity, dense(3)"), "{error}");
        assert!(error.contains("dense(8), tanh") && error.contains("load_weights"), "{error}");
    }
    assert_eq!(bits(&tanh), before);
    tanh.load_weights(&path).unwrap();
    assert_eq!(bits(&tanh), bits(&relu));
}

#[test]
fn probabilities_follow_from_the_last_layer_or_the_loss() {
    let data = Dataset::new(vec![[0.5, -1.0], [2.0, 0.1]], array![[1.0], [0.0]]).unwrap();
    let dense = || Sequential::new(2).dense(1);
    let mut all = Vec::new();
    for (model, loss) in [
        (dense(), Loss::bce_with_logits()),
        (dense().activation(Activation::sigmoid()), Loss::bce()),
    ] {
        let trainer = Trainer::new(model, loss, Optimizer::sgd()).on(&Device::cpu()).unwrap();
        let model = trainer.model().unwrap();
        all.push(model.probabilities(data.inputs()).unwrap());
    }
    assert!((&all[0] - &all[1]).iter().all(|far| far.abs() < 1e-6), "{all:?}");
    let model = Sequential::new(2).dense(3).activation(Activation::log_softmax());
    let trainer = Trainer::new(model, Loss::nll(), Optimizer::sgd()).on(&Device::cpu()).unwrap();
    let rows = trainer.model().unwrap().probabilities(data.inputs()).unwrap();
    assert!(rows.rows().into_iter().all(|row| (row.sum() - 1.0).abs() < 1e-6), "{rows}");
}

#[test]
fn models_are_shared_between_threads() {
    let data = table(30);
    for device in devices() {
        let model = classifier(&data).on(&device).unwrap().model().unwrap();
        let wanted = model.predict(data.inputs()).unwrap();
        thread::scope(|scope| {
            for count in 1..5usize {
                let (model, data, wanted) = (&model, &data, &wanted);
                scope.spawn(move || {
                    for rows in [count, 30, 1] {
                        let got = model.predict(data.inputs().slice(s![..rows, ..])).unwrap();
                        let far = &got - &wanted.slice(s![..rows, ..]);
                        assert!(far.iter().all(|far| far.abs() < 1e-5), "{far}");
                    }
                });
            }
        });
    }
}

#[test]
fn what_holds_no_network_or_a_damaged_one_is_refused() {
    let path = directory("no_network").join("run.safetensors");
    let device = Device::cpu();
    let torch = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/torch_mlp.safetensors");
    let error = Model::load(torch, &device).unwrap_err().to_string();
    assert!(error.contains("Model::with_weights takes the network"), "{error}");
    let network = Sequential::new(5).dense(16).activation(Activation::relu()).dense(3);
    let model = Model::with_weights(&network, torch, &device).unwrap();
    assert_eq!((model.network().inputs(), model.classes(vec![[0.0; 5]]).unwrap().len()), (5, 1));
    let error = model.predict(vec![[1.0, 2.0]]).unwrap_err().to_string();
    assert_eq!(error, "predict: rows of 2 features, the network takes 5");

    let own = Custom::new("mine", 2, |_, x, _| Ok(x));
    let model = Sequential::new(2).dense(2).layer(own);
    let trainer = Trainer::new(model, Loss::mse(), Optimizer::sgd()).on(&device).unwrap();
    trainer.save(&path).unwrap();
    let error = Model::load(&path, &device).unwrap_err().to_string();
    assert!(error.contains("custom(mine)") && error.contains("a layer of your own"), "{error}");

    let data = table(9);
    classifier(&data).on(&device).unwrap().save(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&whole).into_owned();
    for (from, to) in
        [("tanh", "sinh"), ("cross_entropy", "cross_entropz"), ("standardize", "standardise")]
    {
        let place = text.find(from).unwrap_or_else(|| panic!("{from}"));
        let mut bytes = whole.clone();
        bytes[place..place + to.len()].copy_from_slice(to.as_bytes());
        let result = Model::from_bytes(&bytes, &device);
        assert!(bytes == whole || result.is_err(), "{from}");
    }
    let last = whole.len() - 1;
    let bytes = [&whole[..last], &[whole[last] ^ 1]].concat();
    let error = Model::from_bytes(&bytes, &device).unwrap_err().to_string();
    assert!(error.contains("damaged"), "{error}");
}

#[test]
fn parameters_are_named_arrays_that_can_be_set() {
    for device in devices() {
        let builder = Trainer::new(Sequential::new(3).dense(2), Loss::mse(), Optimizer::sgd());
        let mut trainer = builder.on(&device).unwrap();
        let weights = Initializer::xavier_normal().array(&[2, 3], 4).unwrap();
        trainer.set_parameters("0.weight", weights.view()).unwrap();
        trainer.set_parameters("0.bias", array![1.0, -2.0].view()).unwrap();
        let parameters = trainer.parameters().unwrap();
        assert_eq!(parameters[0], ("0.weight".to_string(), weights.clone()));
        assert_eq!(parameters[1].1, array![1.0, -2.0].into_dyn());
        let error = trainer.set_parameters("0.weight", array![1.0].view()).unwrap_err();
        assert_eq!(error.to_string(), "set_parameters: '0.weight' is [2, 3], not [1]");
        let error = trainer.set_parameters("weight", weights.view()).unwrap_err();
        assert!(
            error.to_string().ends_with("no parameter 'weight', only 0.weight, 0.bias"),
            "{error}"
        );
        let data = Dataset::new(vec![[1.0, 0.0, 2.0]], vec![[0.0, 0.0]]).unwrap();
        let before = trainer.predict(data.inputs()).unwrap();
        trainer.fit(&data, Fit::epochs(1)).unwrap();
        let gradients = trainer.gradients().unwrap();
        // The gradient of the mean of two squares.
        assert_eq!(gradients[1].0, "0.bias");
        let outputs = before.row(0);
        let far = outputs.iter().zip(&gradients[1].1).map(|(y, g)| (y - g).abs());
        assert!(far.fold(0.0, f32::max) < 1e-6, "{gradients:?} on {device}");
    }
    let error = Initializer::orthogonal().array(&[4], 0).unwrap_err().to_string();
    assert!(error.contains("shape [4]"), "{error}");
}
