//! Settings compared by cross-validation, and a learning rate found: `cargo run --example sweep`.

#[path = "../common/mod.rs"]
mod common;

use common::chart::{self, px};
use wgrad::data::{CsvOptions, Standardize, read_csv};
use wgrad::prelude::*;

const IRIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/own_data/iris.csv");

fn build(train: &Dataset, optimizer: Optimizer) -> wgrad::Result<wgrad::train::TrainerBuilder> {
    let model = Sequential::new(4).dense(16).activation(Activation::relu()).dense(3);
    let trainer = Trainer::new(model, Loss::cross_entropy(), optimizer);
    Ok(trainer.standardize(Standardize::fit(train)?))
}

fn main() -> common::Result {
    let (data, device) = (read_csv(IRIS, &CsvOptions::class("species"))?, Device::auto()?);
    let folds = data.folds(5, 0)?;
    let mut sweep = Sweep::over(&folds);
    for optimizer in [Optimizer::sgd(), Optimizer::adam(), Optimizer::lion()] {
        for optimizer in [0.1, 0.01, 0.001].map(|rate| optimizer.learning_rate(rate)) {
            sweep = sweep.setting(optimizer, move |train| build(train, optimizer));
        }
    }
    let table = sweep.run(&device, |validation| Fit::epochs(20).batch(16).validate(validation))?;
    let best = table.best().expect("there are settings");
    let mut trainer = build(&data, Optimizer::adam())?.on(&device)?;
    let curve = trainer.find_learning_rate(&data, 16, 1e-5..=10.0, 100)?;
    let rate = curve.suggestion.unwrap_or(f64::NAN);
    println!("{table}\nbest: {}\nlearning rate found for adam: {rate:.1e}", best.name);
    chart::draw("target/wgrad/sweep.png".as_ref(), (1500, 480), |area| {
        let (settings, rest) = area.split_horizontally(px(500));
        let (losses, rates) = rest.split_horizontally(px(500));
        chart::settings(&settings, &table)?;
        chart::loss_curve(&losses, &best.runs[0].history)?;
        chart::rates(&rates, &curve)
    })
}
