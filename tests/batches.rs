//! Rows that are read batch by batch: the bits of a run are those of one with all rows on the device.

use wgrad::data::{Batches, Dataset, Standardize};
use wgrad::ndarray::Array2;
use wgrad::prelude::*;
use wgrad::random::{Key, Stream};

use crate::support::nets::{bits, devices, directory};

/// A source that counts its reads and may fail.
struct Counted<'a> {
    data: &'a Dataset,
    reads: usize,
    fail_at: usize,
}

impl Batches for Counted<'_> {
    fn total(&self) -> usize {
        self.data.len()
    }

    fn read(&mut self, rows: &[usize]) -> wgrad::Result<Dataset> {
        self.reads += 1;
        assert!(rows.iter().all(|row| *row < self.data.len()));
        if self.reads == self.fail_at {
            return self.data.rows([usize::MAX]);
        }
        self.data.rows(rows.iter().copied())
    }
}

/// A seeded table, with classes or values, weights, and rows without a class.
fn table(case: u64) -> Dataset {
    let key = Key::new(case, Stream::Data(3));
    let rows = 20 + key.words(0, 0)[0] as usize % 30;
    let x = Array2::from_shape_fn((rows, 4), |(row, col)| {
        3.0 + key.normal(row as u32 + 1, col as u32) as f32
    });
    let label = |row: usize| i64::from(key.words(1000, row as u32)[0] % 4) - 1;
    let data = match case % 3 {
        0 => Dataset::new(&x, x.slice(wgrad::ndarray::s![.., ..3]).to_owned()).unwrap(),
        1 => {
            let labels = (0..rows).map(|row| if label(row) < 0 { -100 } else { label(row) });
            Dataset::classes_ignoring(&x, labels, 3, -100).unwrap()
        }
        _ => {
            let labels: Vec<u32> = (0..rows).map(|row| label(row).max(0) as u32).collect();
            let targets = wgrad::data::Targets::Classes { labels, classes: 3 };
            Dataset::new(&x, targets).unwrap()
        }
    };
    if case.is_multiple_of(2) {
        data
    } else {
        data.weighted((0..rows).map(|row| 0.5 + row as f32).collect()).unwrap()
    }
}

fn builder(case: u64, data: &Dataset) -> wgrad::train::TrainerBuilder {
    let model = Sequential::new(4).dense(6).activation(Activation::tanh()).dropout(0.25).dense(3);
    let loss = match case % 3 {
        0 => Loss::mse(),
        1 => "cross_entropy(ignore_index=-100)".parse().unwrap(),
        _ => Loss::cross_entropy(),
    };
    let builder = Trainer::new(model, loss, Optimizer::adam().learning_rate(0.02)).seed(case);
    let builder = if case % 3 == 2 { builder.class_weights(&[1.0, 2.0, 0.5]) } else { builder };
    // The default of a regression depends on the spread of all targets.
    let builder = if case.is_multiple_of(3) {
        builder.metrics(&[Metric::R2 { variance: 1.0 }])
    } else {
        builder
    };
    builder.accumulate(1 + case % 2).standardize(Standardize::fit(data).unwrap())
}

#[test]
fn rows_read_batch_by_batch_give_the_bits_of_all_rows_at_once() {
    for device in devices() {
        for case in 0..6 {
            let data = table(case);
            let (mut whole, mut streamed) = (
                builder(case, &data).on(&device).unwrap(),
                builder(case, &data).on(&device).unwrap(),
            );
            let fit = || {
                let fit = Fit::epochs(3).batch(7 + case as usize).validate(&data);
                if case >= 3 { fit.drop_last() } else { fit }
            };
            let history = whole.fit(&data, fit()).unwrap();
            let mut source = Counted { data: &data, reads: 0, fail_at: 0 };
            // In two calls, the second of which goes on with the order of the rows.
            let first = streamed.fit_batches(&mut source, fit()).unwrap();
            assert_eq!(first, history, "{case} on {device}");
            assert_eq!(bits(&streamed), bits(&whole), "{case} on {device}");
            let batch = 7 + case as usize;
            let per_epoch = if case >= 3 { data.len() / batch } else { data.len().div_ceil(batch) };
            assert_eq!((source.reads, streamed.step()), (1 + 3 * per_epoch, 3 * per_epoch as u64));
            whole.fit(&data, fit()).unwrap();
            streamed.fit_batches(&mut source, fit()).unwrap();
            assert_eq!(bits(&streamed), bits(&whole), "{case} on {device}");
        }
    }
}

#[test]
fn dropping_the_last_batch_leaves_out_other_rows_in_each_epoch() {
    let column = Array2::from_shape_fn((10, 1), |(row, _)| 1.0 + row as f32);
    let data = Dataset::new(&column, column.clone()).unwrap();
    for device in devices() {
        let start = || {
            let model = Sequential::new(1).layer(Dense::new(1).weights(Initializer::zeros()));
            let builder = Trainer::new(model, Loss::mse(), Optimizer::sgd().learning_rate(0.0));
            builder.on(&device).unwrap()
        };
        let mut trainer = start();
        let history = trainer.fit(&data, Fit::epochs(4).batch(4).drop_last()).unwrap();
        assert_eq!(trainer.step(), 8);
        // The mean of the squares of eight rows, which differ by epoch.
        let sums: Vec<f64> = history.epochs.iter().map(|epoch| 8.0 * epoch.loss).collect();
        assert!(sums.iter().all(|sum| *sum < 385.0 && *sum > 203.0), "{sums:?}");
        assert!(sums.iter().any(|sum| (sum - sums[0]).abs() > 0.5), "{sums:?}");
        let mut trainer = start();
        trainer.fit(&data, Fit::epochs(1).batch(100).drop_last()).unwrap();
        assert_eq!(trainer.step(), 1);
    }
}

#[test]
fn a_source_that_fails_or_changes_ends_the_run_with_its_error() {
    let data = table(2);
    let path = directory("streamed").join("run.safetensors");
    for device in devices() {
        let mut trainer = builder(2, &data).on(&device).unwrap();
        let mut source = Counted { data: &data, reads: 0, fail_at: 4 };
        let fit = || Fit::epochs(3).batch(8).checkpoint(&path, 1);
        let error = trainer.fit_batches(&mut source, fit()).unwrap_err().to_string();
        assert!(error.starts_with("dataset.rows: row 18446744073709551615"), "{error}");
        trainer.fit_batches(&mut source, fit()).unwrap();
        let mut loaded = builder(2, &data).on(&device).unwrap();
        loaded.load(&path).unwrap();
        assert_eq!(bits(&loaded), bits(&trainer));
        let error = trainer.fit_batches(&mut source, fit().validation_split(0.5)).unwrap_err();
        assert!(error.to_string().contains("are not split"), "{error}");
        let other = Dataset::new(vec![[1.0]; 9], vec![0; 9]).unwrap();
        let error = trainer.fit_batches(&mut &other, fit()).unwrap_err().to_string();
        assert_eq!(error, "standardize: 1 inputs a row, fitted on 4");
        let none = data.rows([]).unwrap();
        let error = trainer.fit_batches(&mut &none, fit()).unwrap_err().to_string();
        assert!(error.contains("no rows"), "{error}");
    }
}
