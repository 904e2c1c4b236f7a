//! The networks that whole training runs are tested with, and what is compared of them.

use std::path::PathBuf;

use wgrad::prelude::*;
use wgrad::train::TrainerBuilder;

use super::run;

/// Both devices, the reference first.
pub fn devices() -> [Device; 2] {
    [Device::cpu(), gpu()]
}

/// The GPU of this test run, with default limits and no features.
pub fn gpu() -> Device {
    run::gpu().clone().into()
}

/// A network with what it learns from.
pub struct Net {
    pub name: &'static str,
    pub builder: TrainerBuilder,
    pub data: Dataset,
    /// Rows per step, if not all.
    pub batch: Option<usize>,
}

impl Net {
    pub fn on(&self, device: &Device) -> Trainer {
        self.builder.clone().on(device).unwrap()
    }

    pub fn fit<'a>(&self, epochs: u64) -> Fit<'a> {
        let fit = Fit::epochs(epochs);
        match self.batch {
            Some(rows) => fit.batch(rows),
            None => fit,
        }
    }

    /// Trains and gives the history.
    pub fn train(&self, trainer: &mut Trainer, epochs: u64) -> History {
        trainer.fit(&self.data, self.fit(epochs)).unwrap()
    }
}

/// The reference run of regression: 1-64-64-1, full batch.
pub fn sine() -> Net {
    let weights = Initializer::normal().with("std", 0.1).unwrap();
    let model = Sequential::new(1)
        .layer(Dense::new(64).weights(weights))
        .activation(Activation::relu())
        .layer(Dense::new(64).weights(weights))
        .activation(Activation::relu())
        .layer(Dense::new(1).weights(weights));
    let adam = Optimizer::adam().learning_rate(0.005).with("eps", 1e-7).unwrap();
    let builder =
        Trainer::new(model, Loss::mse(), adam).schedule(Schedule::inverse_time(1e-3).unwrap());
    Net { name: "sine", builder, data: data::sine(1000).unwrap(), batch: None }
}

/// The reference run of classification: 2-64-3, full batch.
pub fn spiral() -> Net {
    let model = Sequential::new(2).dense(64).activation(Activation::relu()).dense(3);
    let adam = Optimizer::adam().learning_rate(0.05);
    let builder = Trainer::new(model, Loss::cross_entropy(), adam)
        .schedule(Schedule::inverse_time(5e-7).unwrap());
    Net { name: "spiral", builder, data: data::spiral(100, 3, 0).unwrap(), batch: None }
}

/// Everything random at once: dropout and shuffled batches of 10, of which the last has 6 rows. An epoch is 10 steps.
pub fn digits() -> Net {
    let model = Sequential::new(64)
        .layer(Dense::new(32).l2(1e-4, 1e-4))
        .activation(Activation::gelu())
        .dropout(0.25)
        .dense(10);
    let builder = Trainer::new(model, Loss::cross_entropy(), Optimizer::adamw())
        .schedule(Schedule::cosine(200.0, 1e-5).unwrap())
        .clip_norm(1.0)
        .seed(7);
    Net { name: "digits", builder, data: data::digits().rows(0..96).unwrap(), batch: Some(10) }
}

/// The bits of every parameter.
pub fn bits(trainer: &Trainer) -> Vec<(String, Vec<u32>)> {
    let parameters = trainer.parameters().unwrap().into_iter();
    parameters
        .map(|(name, values)| (name, values.into_iter().map(f32::to_bits).collect()))
        .collect()
}

/// A place for a test's files, empty at first.
pub fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}
