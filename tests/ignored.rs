//! Rows that a loss ignores count nowhere.

use crate::support;

use ndarray::{Array2, array};
use support::nets::devices;
use support::run::{featured_gpu, gpu};
use support::tolerance::Tolerance;
use wgrad::data::{CsvOptions, Targets, read_csv_from};
use wgrad::embed::{Choices, Fusion};
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};
use wgrad::train::TrainerBuilder;

#[track_caller]
fn near(got: f64, want: f64, what: &str) {
    let tolerance = Tolerance::ulps(32.0).floor(1e-6);
    assert!(tolerance.accepts(got as f32, want), "{what}: {got}, not {want}");
}

fn engines() -> [Device; 3] {
    let gpu = featured_gpu();
    let apart = gpu.choosing(Choices { fusion: Fusion::Never, ..gpu.choices() });
    [Device::cpu(), gpu.clone().into(), apart.into()]
}

fn ignoring(loss: Loss, ignored: f64) -> Loss {
    loss.with("ignore_index", ignored).unwrap()
}

/// Scores that are the inputs.
fn identity(loss: Loss) -> TrainerBuilder {
    let weights = Initializer::eye().with("gain", 10.0).unwrap();
    let model = Sequential::new(3).layer(Dense::new(3).no_bias().weights(weights));
    Trainer::new(model, loss, Optimizer::sgd().learning_rate(0.0))
}

/// Rows whose largest score is at these places.
fn peaks(places: &[usize]) -> Array2<f32> {
    Array2::from_shape_fn((places.len(), 3), |(row, col)| f32::from(places[row] == col))
}

#[test]
fn metrics_and_confusion_matrices_leave_ignored_rows_out() {
    let places = [0, 1, 2, 0, 1, 1];
    for ignored in [7, 255, -100, 2] {
        // Of the rows that count three are right and one is not.
        let labels = [0, 1, ignored, 0, 0, ignored];
        let data = Dataset::classes_ignoring(peaks(&places), labels, 3, ignored).unwrap();
        let matrix = array![[2, 1, 0], [0, 1, 0], [0, 0, 0]];
        for device in engines() {
            let what = format!("ignoring {ignored} on {device}");
            for linear in [false, true] {
                let metrics = [Metric::Accuracy, Metric::TopK { k: 2 }];
                let loss = ignoring(Loss::cross_entropy(), ignored as f64);
                let builder = identity(loss).metrics(&metrics);
                let builder = if linear { builder.linear_cross_entropy() } else { builder };
                let mut trainer = builder.on(&device).unwrap();
                let figures = trainer.evaluate(&data).unwrap().metrics;
                near(figures[0].1, 0.75, &what);
                near(figures[1].1, 1.0, &what);
                assert_eq!(trainer.confusion_matrix(&data).unwrap(), matrix, "{what}");
                // Batches of 4 and 2, in which other numbers of rows count.
                for batch in [6, 4, 1] {
                    let history = trainer.fit(&data, Fit::epochs(3).batch(batch)).unwrap();
                    for epoch in &history.epochs {
                        near(epoch.accuracy, 0.75, &format!("{what}, batches of {batch}"));
                    }
                }
            }
        }
    }
}

#[test]
fn a_penalty_is_the_mean_over_all_rows_beside_metrics_of_some() {
    let data = Dataset::classes_ignoring(peaks(&[0, 1, 2, 0]), [0, 255, 255, 255], 3, 255).unwrap();
    for device in devices() {
        let dense = Dense::new(3).no_bias().weights(Initializer::eye()).l2(0.5, 0.0);
        let loss = ignoring(Loss::cross_entropy(), 255.0);
        let sgd = Optimizer::sgd().learning_rate(0.0);
        let builder = Trainer::new(Sequential::new(3).layer(dense), loss, sgd);
        let mut trainer = builder.on(&device).unwrap();
        let history = trainer.fit(&data, Fit::epochs(1).batch(1)).unwrap();
        near(history.epochs[0].penalty, 1.5, "penalty");
        near(history.epochs[0].accuracy, 1.0, "accuracy");
        near(trainer.evaluate(&data).unwrap().penalty, 1.5, "penalty");
    }
}

#[test]
fn data_without_a_row_that_counts_have_figures_of_0() {
    let data = Dataset::classes_ignoring(peaks(&[0, 1]), [-100, -100], 3, -100).unwrap();
    for device in devices() {
        let mut trainer = identity(ignoring(Loss::nll(), -100.0)).on(&device).unwrap();
        let figures = trainer.evaluate(&data).unwrap();
        assert_eq!((figures.loss(), figures.accuracy()), (0.0, 0.0), "{device}");
        assert_eq!(trainer.confusion_matrix(&data).unwrap().sum(), 0);
    }
}

#[test]
fn ignored_rows_change_nothing_of_what_is_learnt() {
    let key = Key::new(5, Stream::Data(2));
    let inputs =
        Array2::from_shape_fn((12, 3), |(row, col)| key.normal(row as u32, col as u32) as f32);
    let labels: Vec<i64> = (0..12).map(|row| if row % 3 == 2 { -100 } else { row % 2 }).collect();
    let all = Dataset::classes_ignoring(&inputs, labels, 3, -100).unwrap();
    let counted: Vec<usize> = (0..12).filter(|row| row % 3 != 2).collect();
    let some = all.rows(counted).unwrap();
    assert_eq!(some.ignored(), Some((-100i32) as u32));
    for device in engines() {
        for loss in
            [Loss::cross_entropy(), Loss::cross_entropy().with("label_smoothing", 0.1).unwrap()]
        {
            let train = |data: &Dataset| {
                let model = Sequential::new(3).dense(8).activation(Activation::tanh()).dense(3);
                let builder = Trainer::new(model, ignoring(loss, -100.0), Optimizer::sgd());
                let mut trainer = builder.on(&device).unwrap();
                let history = trainer.fit(data, Fit::epochs(5)).unwrap();
                let values: Vec<f32> = trainer
                    .parameters()
                    .unwrap()
                    .into_iter()
                    .flat_map(|(_, values)| values)
                    .collect();
                (history.epochs[4].loss, history.epochs[4].accuracy, values)
            };
            let ((loss, accuracy, values), (wanted, right, same)) = (train(&all), train(&some));
            near(loss, wanted, "loss");
            near(accuracy, right, "accuracy");
            values.iter().zip(same).for_each(|(a, b)| near((*a).into(), b.into(), "parameter"));
        }
    }
}

#[test]
fn recorded_steps_leave_ignored_rows_out_and_count_them_as_no_faults() {
    for ignored in [255, -100] {
        let loss = ignoring(Loss::cross_entropy(), f64::from(ignored));
        let builder = identity(loss).metrics(&[Metric::Accuracy]);
        let mut step = builder.on(&gpu().clone().into()).unwrap().into_step(4).unwrap();
        let mut encoder = gpu().device().create_command_encoder(&Default::default());
        let rows = peaks(&[0, 1, 2, 0]);
        step.upload_inputs(&mut encoder, rows.as_slice().unwrap()).unwrap();
        let labels = [0, ignored, ignored, 1].map(|label| label as u32);
        step.upload_classes(&mut encoder, &labels).unwrap();
        step.encode(&mut encoder, 1).unwrap();
        gpu().queue().submit([encoder.finish()]);
        let records = pollster::block_on(step.records(0..1)).unwrap();
        assert_eq!(records[0][1], 0.5, "ignoring {ignored}: {:?}", records[0]);
    }
}

#[test]
fn a_split_gives_both_parts_their_share_of_ignored_rows() {
    let labels = (0..40).map(|row| if row < 20 { 255 } else { row % 2 });
    let data = Dataset::classes_ignoring(Array2::zeros((40, 1)), labels, 2, 255).unwrap();
    let (train, validation) = data.split(0.75, 3).unwrap();
    for (part, rows) in [(train, 30), (validation, 10)] {
        assert_eq!((part.len(), part.outputs(), part.ignored()), (rows, 2, Some(255)));
        let labels = part.targets().labels().unwrap();
        assert_eq!(labels.iter().filter(|label| **label == 255).count(), rows / 2);
    }
}

#[test]
fn an_ignored_label_that_the_loss_does_not_ignore_is_refused() {
    let data = Dataset::classes_ignoring(peaks(&[0, 1]), [0, -100], 3, -100).unwrap();
    for loss in ["cross_entropy", "cross_entropy(ignore_index=255)", "categorical_cross_entropy"] {
        let mut trainer = identity(loss.parse().unwrap()).on(&Device::cpu()).unwrap();
        let error = trainer.fit(&data, Fit::epochs(1)).unwrap_err().to_string();
        assert!(error.contains("ignore_index=-100") && error.contains(loss), "{error}");
        assert!(trainer.evaluate(&data).is_err() && trainer.confusion_matrix(&data).is_err());
    }
    let make =
        |labels: [i64; 2], ignored| Dataset::classes_ignoring(peaks(&[0, 1]), labels, 3, ignored);
    for (labels, ignored) in
        [([0, 3], 255), ([0, -100], 255), ([0, 1 << 33], 255), ([0, 1], -1), ([0, 1], 1 << 40)]
    {
        assert!(make(labels, ignored).is_err(), "{labels:?}, {ignored}");
    }
    let plain = Targets::Classes { labels: vec![0, 255], classes: 3 };
    assert!(Dataset::new(peaks(&[0, 1]), plain).is_err());
}

#[test]
fn a_file_can_hold_an_ignored_class() {
    let text = "x,kind\n0.5,1\n1.5,-100\n2.5,0\n";
    let options = CsvOptions::class("kind").ignoring(-100);
    let data = read_csv_from(text.as_bytes(), "boxes", &options).unwrap();
    assert_eq!((data.outputs(), data.ignored()), (2, Some((-100i32) as u32)));
    assert_eq!(data.targets().labels().unwrap(), [1, (-100i32) as u32, 0]);
    let options = CsvOptions::class("kind");
    assert!(read_csv_from(text.as_bytes(), "boxes", &options).is_err());
}
